package dev.wrenn.vmm.firecracker;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Deadline;
import dev.wrenn.vmm.BootSource;
import dev.wrenn.vmm.VmSpec;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What Firecracker is told about one VM.
 *
 * <p>VM state names its devices by these ids and its disk by this path, so a change here makes
 * every stored state unreadable.
 */
record Machine(VmSpec spec, FirecrackerConfig config) {
    private static final String DISK_ID = "disk";
    private static final String NETWORK_ID = "net";
    private static final int REFILL_MILLIS = 1_000;

    /** Describes the machine and starts its kernel. */
    void boot(Api api, BootSource source, Deadline deadline) {
        var attempt = "booting the VM";
        api.put(
                attempt,
                "/machine-config",
                Map.of(
                        "vcpu_count",
                        spec.vcpus(),
                        "mem_size_mib",
                        spec.memory().toMib(),
                        "smt",
                        false,
                        "track_dirty_pages",
                        false),
                deadline);
        api.put(
                attempt,
                "/boot-source",
                Map.of(
                        "kernel_image_path", Jail.KERNEL,
                        "initrd_path", Jail.INITRD,
                        "boot_args", kernelArguments(source)),
                deadline);
        api.put(attempt, "/drives/" + DISK_ID, disk(), deadline);
        api.put(attempt, "/network-interfaces/" + NETWORK_ID, network(), deadline);
        api.put(attempt, "/entropy", Map.of(), deadline);
        api.put(attempt, "/actions", Map.of("action_type", "InstanceStart"), deadline);
    }

    /**
     * Loads a state; the vCPUs stand still. Which pages are written from now on is tracked. Limits
     * are a part of the state, so those of today are set; also that there are none.
     */
    void restore(Api api, Deadline deadline) {
        var attempt = "loading VM state";
        api.put(
                attempt,
                "/snapshot/load",
                Map.of(
                        "snapshot_path",
                        Jail.STATE,
                        "mem_backend",
                        Map.of("backend_type", "Uffd", "backend_path", Jail.PAGES),
                        "track_dirty_pages",
                        true,
                        "resume_vm",
                        false,
                        "network_overrides",
                        List.of(Map.of("iface_id", NETWORK_ID, "host_dev_name", spec.tap()))),
                deadline);
        var limits = config.limits();
        var none = new ByteSize(0);
        api.patch(
                attempt,
                "/drives/" + DISK_ID,
                Map.of(
                        "drive_id",
                        DISK_ID,
                        "rate_limiter",
                        Map.of(
                                "bandwidth",
                                bucket(limits.diskBytes().orElse(none).bytes()),
                                "ops",
                                bucket(limits.diskOperations().orElse(0)))),
                deadline);
        var network = Map.of("bandwidth", bucket(limits.networkBytes().orElse(none).bytes()));
        api.patch(
                attempt,
                "/network-interfaces/" + NETWORK_ID,
                Map.of(
                        "iface_id", NETWORK_ID,
                        "rx_rate_limiter", network,
                        "tx_rate_limiter", network),
                deadline);
    }

    private Map<String, Object> disk() {
        var drive = new LinkedHashMap<String, Object>();
        drive.put("drive_id", DISK_ID);
        limiter(config.limits().diskBytes(), config.limits().diskOperations())
                .ifPresent(limiter -> drive.put("rate_limiter", limiter));
        drive.put("path_on_host", Jail.DISK);
        drive.put("is_root_device", false); // the initrd decides what is mounted
        drive.put("is_read_only", false);
        // A guest's flush does not wait for the host's disk: the image of a running VM is worth
        // nothing without its memory, and a snapshot's copy of it is synced.
        drive.put("cache_type", "Unsafe");
        drive.put("io_engine", "Sync");
        return drive;
    }

    private Map<String, Object> network() {
        var network = new LinkedHashMap<String, Object>();
        network.put("iface_id", NETWORK_ID);
        network.put("guest_mac", spec.macAddress());
        network.put("host_dev_name", spec.tap());
        limiter(config.limits().networkBytes(), OptionalLong.empty())
                .ifPresent(limiter -> {
                    network.put("rx_rate_limiter", limiter);
                    network.put("tx_rate_limiter", limiter);
                });
        return network;
    }

    private static Optional<Map<String, Object>> limiter(
            Optional<ByteSize> bytes, OptionalLong operations) {
        var buckets = new LinkedHashMap<String, Object>();
        bytes.ifPresent(limit -> buckets.put("bandwidth", bucket(limit.bytes())));
        operations.ifPresent(limit -> buckets.put("ops", bucket(limit)));
        return buckets.isEmpty() ? Optional.empty() : Optional.of(buckets);
    }

    /** A bucket without room limits nothing (firecracker src/vmm/src/rate_limiter/mod.rs). */
    private static Map<String, Object> bucket(long perSecond) {
        return Map.of("size", perSecond, "refill_time", REFILL_MILLIS);
    }

    /**
     * A reset by the keyboard controller is what Firecracker takes for the guest's end; the other
     * arguments keep the kernel from looking for a mouse behind it.
     */
    private String kernelArguments(BootSource source) {
        var console = config.console() ? "console=ttyS0" : "8250.nr_uarts=0";
        return "%s reboot=k panic=-1 i8042.noaux i8042.nomux i8042.dumbkbd %s"
                .formatted(console, source.arguments())
                .strip();
    }
}
