package dev.wrenn.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.ByteSize;
import dev.wrenn.cli.client.ApiClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * What a server says its machine has left.
 *
 * @param report as {@code GET /v1/status} answers
 */
record MachineStatus(JsonNode report) {
    private static final Duration LIMIT = Duration.ofSeconds(10);

    static MachineStatus of(ApiClient api) {
        return new MachineStatus(api.get("/v1/status", LIMIT));
    }

    /** What should be looked after before it hurts. */
    List<String> warnings() {
        var warnings = new ArrayList<String>();
        report.path("warnings").forEach(w -> warnings.add(w.asText()));
        return warnings;
    }

    /** In words, the warnings last. */
    List<String> lines() {
        var lines = new ArrayList<String>();
        var disk = report.path("disk");
        lines.add(
                "Disk: %s of %s free; saving what runs takes %s, and %s are kept in reserve."
                        .formatted(
                                bytes(disk, "free_bytes"),
                                bytes(disk, "total_bytes"),
                                bytes(disk, "unsaved_bytes"),
                                bytes(disk, "reserve_bytes")));
        var memory = report.path("memory");
        lines.add(
                "Memory: %s available; %s of %s promised to guests."
                        .formatted(
                                bytes(memory, "available_bytes"),
                                bytes(memory, "promised_bytes"),
                                bytes(memory, "promisable_bytes")));
        var snapshots = report.path("snapshots");
        lines.add(
                "Snapshots: %d, memory in %d layers, %s, of which %s in use (space amplification %.2f)."
                        .formatted(
                                snapshots.path("count").asInt(),
                                snapshots.path("layers").asInt(),
                                bytes(snapshots, "layer_bytes"),
                                bytes(snapshots, "live_bytes"),
                                snapshots.path("amplification").asDouble()));
        warnings().forEach(w -> lines.add("Warning: " + w + "."));
        return lines;
    }

    private static ByteSize bytes(JsonNode of, String name) {
        return new ByteSize(of.path(name).asLong());
    }
}
