package dev.wrenn.cli;

import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import java.util.Map;

/**
 * What the demo found, as it is printed for programs.
 *
 * @param ok whether every check held
 * @param vmm what ran the capsule
 * @param checks each check by name, in the order in which they were made
 */
@JsonPropertyOrder({
    "ok",
    "vmm",
    "checks",
    "cold_boot_ms",
    "create_ms",
    "pause_ms",
    "resume_ms",
    "faults",
    "prefetched_pages",
    "layer_bytes"
})
record DemoReport(
        boolean ok,
        String vmm,
        Map<String, Boolean> checks,
        long coldBootMs,
        long createMs,
        long pauseMs,
        long resumeMs,
        long faults,
        long prefetchedPages,
        long layerBytes) {}
