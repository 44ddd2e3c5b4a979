package dev.wrenn.control.event;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.control.http.JsonBody;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;

/**
 * Something that happened; empty texts are what does not apply.
 *
 * @param place where it stands among all others
 */
record EventRow(
        EventPlace place,
        String team,
        String kind,
        String outcome,
        String resourceType,
        String resourceId,
        String actorType,
        String actorId,
        String actorName,
        Map<String, String> metadata,
        String error,
        Instant at) {
    EventRow {
        metadata = Map.copyOf(metadata);
    }

    boolean isOfCapsule() {
        return kind.startsWith("capsule.");
    }

    /** The object that clients get. */
    ObjectNode json() {
        var json = JsonBody.JSON.createObjectNode();
        json.put("event", kind);
        putUnlessEmpty(json, "outcome", outcome);
        json.putObject("resource").put("id", resourceId).put("type", resourceType);
        if (!actorType.isEmpty()) {
            var actor = json.putObject("actor");
            actor.put("type", actorType);
            putUnlessEmpty(actor, "id", actorId);
            putUnlessEmpty(actor, "name", actorName);
        }
        if (!metadata.isEmpty()) {
            var facts = json.putObject("metadata");
            metadata.forEach(facts::put);
        }
        putUnlessEmpty(json, "error", error);
        json.put("timestamp", at.truncatedTo(ChronoUnit.SECONDS).toString());
        return json;
    }

    private static void putUnlessEmpty(ObjectNode json, String field, String text) {
        if (!text.isEmpty()) {
            json.put(field, text);
        }
    }
}
