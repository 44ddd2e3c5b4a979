package dev.wrenn.control.capsule;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.http.JsonBody;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Optional;

/**
 * A capsule as the control plane last knew it.
 *
 * @param generation of the host report it reflects
 * @param serverRun which process of the server created it
 * @param reason why it is in this state, for people
 * @param forkedFrom whose state it went on from, if it was not made from a template
 */
public record CapsuleRow(
        CapsuleId id,
        TeamId team,
        String templateName,
        TemplateId template,
        Status status,
        long generation,
        int vcpus,
        int memoryMb,
        long timeoutSec,
        PortRules ports,
        String hostIp,
        Map<String, String> metadata,
        String reason,
        String serverRun,
        Instant createdAt,
        Optional<Instant> startedAt,
        Optional<Instant> lastActiveAt,
        Instant lastUpdated,
        Optional<CapsuleId> forkedFrom) {
    /** Copies the map. */
    public CapsuleRow {
        metadata = Map.copyOf(metadata);
    }

    /** A pending capsule that goes on from a state of this one. */
    CapsuleRow forked(CapsuleId child, long newTimeoutSec, String run, Instant now) {
        return new CapsuleRow(
                child,
                team,
                templateName,
                template,
                Status.PENDING,
                0,
                vcpus,
                memoryMb,
                newTimeoutSec,
                ports,
                "",
                Map.of(),
                "",
                run,
                now,
                Optional.empty(),
                Optional.empty(),
                now,
                Optional.of(id));
    }

    /** The object that clients get. */
    public ObjectNode json() {
        var json = JsonBody.JSON.createObjectNode();
        json.put("id", id.text());
        json.put("status", status.wire());
        json.put("template", templateName);
        json.put("vcpus", vcpus);
        json.put("memory_mb", memoryMb);
        json.put("timeout_sec", timeoutSec);
        if (ports.autoResume()) {
            json.put("auto_resume", true);
        }
        if (ports.arePrivate()) {
            json.put("private_ports", true);
        }
        if (!hostIp.isEmpty()) {
            json.put("host_ip", hostIp);
        }
        forkedFrom.ifPresent(parent -> json.put("forked_from", parent.text()));
        json.put("created_at", seconds(createdAt));
        startedAt.ifPresent(t -> json.put("started_at", seconds(t)));
        lastActiveAt.ifPresent(t -> json.put("last_active_at", seconds(t)));
        json.put("last_updated", seconds(lastUpdated));
        if (!metadata.isEmpty()) {
            var facts = json.putObject("metadata");
            metadata.forEach(facts::put);
        }
        return json;
    }

    /** RFC 3339 with seconds and zone. */
    public static String seconds(Instant time) {
        return time.truncatedTo(ChronoUnit.SECONDS).toString();
    }
}
