package dev.wrenn.control.build;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.capsule.CapsuleRow;
import dev.wrenn.control.capsule.TemplateDefaults;
import dev.wrenn.control.http.JsonBody;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * A build as it is stored.
 *
 * @param contents of the archive: digest by path, as JSON
 * @param currentStep steps done so far
 * @param error why it failed, for people; empty if it did not
 * @param capsule in which it runs or ran
 * @param template what it makes or made
 * @param committing whether its template is being put in place, which nothing stops any more
 * @param epoch counts the workers that had it
 * @param attempts those of them that did not give it back
 * @param defaults what the template gives to its capsules, once known
 */
record Build(
        BuildId id,
        TeamId team,
        BuildSpec spec,
        String contents,
        BuildStatus status,
        int currentStep,
        String error,
        Optional<CapsuleId> capsule,
        Optional<TemplateId> template,
        boolean committing,
        long epoch,
        int attempts,
        TemplateDefaults defaults,
        Instant createdAt,
        Optional<Instant> startedAt,
        Optional<Instant> completedAt) {

    /** The object that clients get. */
    ObjectNode json(List<String> entries) {
        var json = JsonBody.JSON.createObjectNode();
        json.put("id", id.text());
        spec.addTo(json);
        json.put("status", status.wire());
        json.put("current_step", currentStep);
        var logs = json.putArray("logs");
        entries.forEach(
                entry -> logs.addRawValue(new com.fasterxml.jackson.databind.util.RawValue(entry)));
        if (!error.isEmpty()) {
            json.put("error", error);
        }
        capsule.ifPresent(c -> json.put("sandbox_id", c.text()));
        json.put("default_user", defaults.user().orElse("root"));
        defaults.directory().ifPresent(d -> json.put("default_workdir", d));
        var variables = json.putObject("default_env");
        defaults.environment().forEach(variables::put);
        json.put("created_at", CapsuleRow.seconds(createdAt));
        startedAt.ifPresent(t -> json.put("started_at", CapsuleRow.seconds(t)));
        completedAt.ifPresent(t -> json.put("completed_at", CapsuleRow.seconds(t)));
        return json;
    }
}
