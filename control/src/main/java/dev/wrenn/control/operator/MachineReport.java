package dev.wrenn.control.operator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostTotals;

/** What the machine has left, and what should be looked after, as JSON. */
final class MachineReport {
    private final HostAgent host;

    MachineReport(HostAgent host) {
        this.host = host;
    }

    JsonNode read() {
        var what = host.describe();
        var totals = host.totals();
        var report = JsonNodeFactory.instance.objectNode();
        report.put("vmm", what.vmm())
                .put("vmm_reason", what.vmmReason())
                .put("cpus", what.cpus())
                .put("memory_mb", what.memoryMb());
        report.putObject("slots").put("in_use", totals.slotsInUse()).put("total", totals.slots());
        report.set("disk", disk(totals.disk()));
        report.set("memory", memory(totals.memory()));
        report.set("snapshots", snapshots(totals.snapshots()));
        var warnings = report.putArray("warnings");
        what.warnings().forEach(warnings::add);
        return report;
    }

    private static JsonNode disk(HostTotals.Disk disk) {
        return JsonNodeFactory.instance
                .objectNode()
                .put("total_bytes", disk.totalBytes())
                .put("free_bytes", disk.freeBytes())
                .put("reserve_bytes", disk.reserveBytes())
                .put("unsaved_bytes", disk.unsavedBytes());
    }

    private static JsonNode memory(HostTotals.Memory memory) {
        return JsonNodeFactory.instance
                .objectNode()
                .put("available_bytes", memory.availableBytes())
                .put("reserve_bytes", memory.reserveBytes())
                .put("promised_bytes", memory.promisedBytes())
                .put("promisable_bytes", memory.promisableBytes());
    }

    private static JsonNode snapshots(HostTotals.Snapshots snapshots) {
        return JsonNodeFactory.instance
                .objectNode()
                .put("count", snapshots.count())
                .put("layers", snapshots.layers())
                .put("layer_bytes", snapshots.layerBytes())
                .put("live_bytes", snapshots.liveBytes())
                .put("deepest", snapshots.deepest())
                .put("amplification", snapshots.amplification());
    }
}
