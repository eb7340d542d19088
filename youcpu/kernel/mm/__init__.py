"""Memory of a process: vm_areas, demand paging, user access (mm/)."""
