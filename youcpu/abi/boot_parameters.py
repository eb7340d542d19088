"""Names that Linux's command line knows: early_param(), __setup() and core_param() of Linux 6.1.

As Debian's cloud configuration for x86-64 has them; what is none of these goes to init.
"""

from __future__ import annotations

_EARLY = """
acpi acpi_apic_instance acpi_force_32bit_fadt_addr acpi_force_table_verification
acpi_no_static_ssdt acpi_rsdp acpi_sci acpi_skip_timer_override acpi_use_timer_override
add_efi_memmap amd_pstate apic apic_extnmi bgrt_disable boot_delay bootconfig coherent_pool
cpu_init_udelay crashkernel debug debug_boot_weak_hash debugfs disable_cpu_apicid
disable_mtrr_cleanup disable_mtrr_trim disable_timer_pin_1 disableapic early_ioremap_debug
earlycon earlyprintk efi efi_no_storage_paranoia elfcorehdr enable_mtrr_cleanup fw_devlink
fw_devlink.strict gather_data_sampling gbpages hostname hv_nopvspin idle ignore_loglevel
indirect_target_selection init_on_alloc init_on_free initrd initrdmem intel_pstate intremap
io_delay iommu iommu.forcedac iommu.passthrough iommu.strict ipcmni_extend keep_bootcon
kernelcore l1d_flush l1tf lapic lapic_timer_c2_ok lockdown log_buf_len loglevel maxcpus mds mem
memblock memmap mitigations mmio_stale_data movable_node movablecore mtrr_chunk_size
mtrr_cleanup_debug mtrr_gran_size mtrr_spare_reg_nr no-kvmapf no-kvmclock no-kvmclock-vsyscall
no-steal-acc no-vmw-sched-clock no_hash_pointers noapic noapictimer noefi nogbpages nohugeiomap
nohugevmalloc nointremap noinvpcid nolapic nolapic_timer nopat nopcid nopv nopvspin nosgx nosmp
nosmt nospectre_v1 nox2apic nr_cpus numa oops panic_on_taint pci percpu_alloc possible_cpus
proc_mem.force_override quiet random.trust_bootloader random.trust_cpu randomize_kstack_offset
rcu_nocb_poll rdrand reg_file_data_sampling retbleed rodata sched_verbose skew_tick
spec_rstack_overflow spectre_bhi srbds stack_depot_disable swiotlb threadirqs tsa tsc_early_khz
tsx_async_abort userpte vmscape vsyscall x2apic_phys xen_emul_unplug xen_legacy_crash
xen_msr_safe xen_no_vector_callback xen_nopv xen_nopvspin xen_timer_slop
"""
_SETUP = """
TOMOYO_loader= TOMOYO_trigger= acpi_backlight= acpi_enforce_resources= acpi_irq_balance
acpi_irq_isa= acpi_irq_nobalance acpi_irq_pci= acpi_mask_gpe= acpi_no_auto_serialize
acpi_no_memhotplug acpi_no_watchdog acpi_os_name= acpi_osi= acpi_pm_good acpi_rev_override
acpi_sleep= acpica_no_return_repair align_va_addr= alloc_snapshot apicpmtimer apparmor= audit=
audit_backlog_limit= bert_disable ca_keys= cgroup.memory= cgroup_debug cgroup_disable=
cgroup_no_v1= checkreqprot= clearcpuid= clock= clocksource= console= console_msg_format=
coredump_filter= cpu0_hotplug debug-alternative debugpat default_hugepagesz=
deferred_probe_timeout= delayacct devtmpfs.mount= dhash_entries= driver_async_probe=
dump_apple_properties dyndbg= efivar_ssdt= elevator= enforcing= erst_disable evm= fb_tunnels=
fbcon= ftrace= ftrace_boot_snapshot ftrace_dump_on_oops ftrace_filter= ftrace_graph_filter=
ftrace_graph_max_depth= ftrace_graph_notrace= ftrace_notrace= gpt hardened_usercopy= hashdist=
hest_disable hibernate= highres= hpet= hpet_mmap= hugepages= hugepagesz= ihash_entries=
ima_appraise_tcb ima_canonical_fmt ima_hash= ima_policy= ima_tcb ima_template= ima_template_fmt=
init= init_pkru= initcall_blacklist= initramfs_async= initramfs_options= int_pln_enable
integrity_audit= intel_iommu= iomem= irqaffinity= irqfixup irqpoll isolcpus= kprobe_event=
load_ramdisk= lpj= lsm.debug lsm= mem_sleep_default= memhp_default_state= mhash_entries=
mphash_entries= nmi_watchdog= no-scroll no_console_suspend no_file_caps no_ipi_broadcast=
no_timer_check noautogroup noexec32= nofsgsbase nohibernate nohpet nohz= nohz_full= noinitrd
nonmi_ipi nopku norandmaps noreplace-smp noresume nosoftlockup notsc nowatchdog ntp_tick_adj=
numa_balancing= pcie_aspm= pcie_pme= pcie_port_pm= pcie_ports= pmtmr= pnp_reserve_dma=
pnp_reserve_io= pnp_reserve_irq= pnp_reserve_mem= pnpacpi= preempt= print-fatal-signals=
printk.devkmsg= psi= ras rcu_nocbs rdinit= rdt reboot= relax_domain_level=
resched_latency_warn_ms= reserve= reset_devices resume= resume_offset= resumedelay= resumewait
retain_initrd ring3mwait=disable ro root= rootdelay= rootflags= rootfstype= rootwait rw
sched_thermal_decay_shift= schedstats= security= sev= show_lapic= slab_merge slab_nomerge
slub_debug slub_max_order= slub_merge slub_min_objects= slub_min_order= slub_nomerge
softlockup_panic= stack_guard_gap= stacktrace strict_sas_size swapaccount= sysrq_always_enabled
tcpmhash_entries= thash_entries= tp_printk tp_printk_stop_on_boot trace_buf_size= trace_clock=
trace_event= trace_options= traceoff_on_warning tracing_thresh= transparent_hugepage= tsc=
uhash_entries= unknown_nmi_panic vdso32= vdso= video= watchdog_thresh=
"""
_CORE = """
consoleblank crash_kexec_post_notifiers hugetlb_free_vmemmap ignore_rlimit_data ima_appraise
initcall_debug module_blacklist nomodule panic panic_on_warn panic_print pause_on_oops
xen_scrub_pages
"""

#: Taken by early_param(): the whole name.
EARLY_PARAMETERS = frozenset(_EARLY.split())
#: Taken by __setup(): those that end in "=" with their value.
SETUP_PARAMETERS = frozenset(_SETUP.split())
#: Parameters of the kernel proper that have no module name.
CORE_PARAMETERS = frozenset(_CORE.split())
