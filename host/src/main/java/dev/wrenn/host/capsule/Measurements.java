package dev.wrenn.host.capsule;

import dev.wrenn.pager.PagerStats;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

/**
 * What a capsule's boot, latest start and latest save took, told to people beside the versions.
 * Known as long as the host agent runs. Immutable: each method returns a changed copy.
 */
record Measurements(Map<String, String> numbers) {
    static final Measurements NONE = new Measurements(Map.of());

    Measurements {
        numbers = Map.copyOf(numbers);
    }

    /** The cold boot of the template's shape took that long; unknown if it is zero. */
    Measurements booted(long millis) {
        return millis == 0 ? this : with(Map.of("cold_boot_ms", Long.toString(millis)));
    }

    /** Counted when the guest agent answered. */
    Measurements started(long vmmPid, PagerStats stats) {
        return with(
                Map.of(
                        "vmm_pid",
                        Long.toString(vmmPid),
                        "faults",
                        Long.toString(stats.faults()),
                        "prefetched_pages",
                        Long.toString(stats.prefetchedPages())));
    }

    /** The VM is gone; its memory that had changed took that many bytes. */
    Measurements saved(long layerBytes) {
        var changed = new HashMap<>(numbers);
        changed.remove("vmm_pid");
        changed.put("layer_bytes", Long.toString(layerBytes));
        return new Measurements(changed);
    }

    /**
     * The VM goes on; it stood still that long, and its memory that had changed took those bytes.
     */
    Measurements savedRunning(long layerBytes, Duration frozen) {
        return with(
                Map.of(
                        "layer_bytes",
                        Long.toString(layerBytes),
                        "frozen_ms",
                        Long.toString(frozen.toMillis())));
    }

    /** These and the given facts. */
    Map<String, String> and(Map<String, String> facts) {
        var all = new HashMap<>(numbers);
        all.putAll(facts);
        return all;
    }

    private Measurements with(Map<String, String> more) {
        var changed = new HashMap<>(numbers);
        changed.putAll(more);
        return new Measurements(changed);
    }
}
