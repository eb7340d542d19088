"""Files: inodes, path walk, descriptors, file systems (fs/)."""
