package dev.wrenn.control.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Forks;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CheckpointId;
import dev.wrenn.contract.host.CheckpointAgent;
import dev.wrenn.contract.host.ForkCapsule;
import dev.wrenn.contract.host.ForkResult;
import dev.wrenn.contract.host.ForkResult.Child;
import dev.wrenn.contract.host.History;
import dev.wrenn.contract.host.HostCheckpoint;
import dev.wrenn.contract.host.Retention;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.capsule.CapsuleRow;
import dev.wrenn.control.capsule.Capsules;
import dev.wrenn.control.capsule.Status;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.operator.OperationTimer;
import dev.wrenn.control.operator.OperationTimer.Operation;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * What may be done with the saved states of capsules. The host is the truth about them: nothing of
 * them is stored here but which capsule was forked off which.
 */
public final class Checkpoints {
    private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9][a-zA-Z0-9 ._-]{0,63}");
    private static final int MAX_FORKS = 100;

    private final Capsules capsules;
    private final CheckpointAgent host;
    private final OperationTimer timer;

    /** Over these capsules and their host. */
    public Checkpoints(Capsules capsules, CheckpointAgent host, OperationTimer timer) {
        this.capsules = capsules;
        this.host = host;
        this.timer = timer;
    }

    ObjectNode list(TeamId team, String id) {
        return json(host.history(capsules.get(team, id).id()));
    }

    ObjectNode create(TeamId team, String id, JsonBody body) {
        var row = present(team, id, "checkpoint");
        var name = body.text("name").orElse("");
        if (!name.isEmpty() && !NAME.matcher(name).matches()) {
            throw ApiException.invalid(
                    "a checkpoint's name has 1 to 64 letters, digits, blanks, dots, dashes and"
                            + " underscores and begins with a letter or digit");
        }
        return Forks.detached(
                "checkpoint " + row.id(),
                timer.timed(Operation.CHECKPOINT, () -> json(host.checkpoint(row.id(), name))));
    }

    void delete(TeamId team, String id, String checkpoint) {
        var row = capsules.get(team, id);
        host.delete(row.id(), parse(checkpoint));
    }

    ObjectNode retain(TeamId team, String id, JsonBody body) {
        var row = present(team, id, "change the retention of");
        var before = host.history(row.id()).retention();
        long keepLast = body.number("keep_last").orElse(before.keepLast());
        long keepForSec = body.number("keep_for_sec").orElse(before.keepFor().toSeconds());
        try {
            var wanted = new Retention(Math.toIntExact(keepLast), Duration.ofSeconds(keepForSec));
            return json(host.retain(row.id(), wanted));
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw ApiException.invalid(
                    "keep_last must be 1 to %d and keep_for_sec from 0 to ten years"
                            .formatted(Retention.MAX_LAST));
        }
    }

    ObjectNode rollback(TeamId team, String id, JsonBody body) {
        var row = present(team, id, "roll back");
        var checkpoint = parse(body.requiredText("checkpoint"));
        return Forks.detached(
                "roll back " + row.id(),
                timer.timed(
                        Operation.ROLLBACK,
                        () -> {
                            try {
                                host.rollback(row.id(), checkpoint);
                            } catch (WrennException e) {
                                capsules.refresh(row.id()); // it may have ended half way
                                throw e;
                            }
                            return capsules.refresh(row.id()).json();
                        }));
    }

    /**
     * New capsules. The answer tells which of them could not be started and why; if none could, the
     * call fails.
     */
    ObjectNode fork(TeamId team, String id, JsonBody body) {
        var parent = present(team, id, "fork");
        var checkpoint = body.text("checkpoint").map(Checkpoints::parse);
        int count = count(body);
        var timeout =
                body.number("timeout_sec").isPresent()
                        ? Optional.of(capsules.timeout(body))
                        : Optional.<Duration>empty();
        var children = capsules.insertForks(parent, count, timeout);
        return Forks.detached(
                "fork " + parent.id(),
                timer.timed(
                        Operation.FORK,
                        () -> start(new ForkCapsule(parent.id(), checkpoint, children, timeout))));
    }

    private ObjectNode start(ForkCapsule order) {
        ForkResult result;
        try {
            result = host.fork(order);
        } catch (WrennException e) {
            order.children().forEach(c -> capsules.failed(c, e.shownMessage()));
            throw e;
        }
        var json = JsonBody.JSON.createObjectNode();
        json.put("checkpoint", result.checkpoint().text());
        var forks = json.putArray("forks");
        result.children().forEach(child -> forks.add(json(child)));
        // With nothing to show for it, the call has failed.
        if (result.children().stream().allMatch(Child.Refused.class::isInstance)
                && result.children().getFirst() instanceof Child.Refused refused) {
            throw new ApiException(codeOf(refused), refused.reason());
        }
        return json;
    }

    private ObjectNode json(Child child) {
        return switch (child) {
            case Child.Started(var report) ->
                    capsules.started(report)
                            .map(Checkpoints::forked)
                            .orElseGet(() ->
                                    error(
                                            ErrorCode.INVALID_STATE,
                                            "capsule %s was destroyed meanwhile"
                                                    .formatted(report.capsule())));
            case Child.Refused refused -> {
                capsules.failed(refused.capsule(), refused.reason());
                yield error(codeOf(refused), refused.reason());
            }
        };
    }

    private static ErrorCode codeOf(Child.Refused refused) {
        return refused.isForRoom() ? ErrorCode.NO_HOSTS_AVAILABLE : ErrorCode.AGENT_ERROR;
    }

    private static ObjectNode forked(CapsuleRow row) {
        var json = JsonBody.JSON.createObjectNode();
        json.set("capsule", row.json());
        return json;
    }

    private static ObjectNode error(ErrorCode code, String message) {
        var json = JsonBody.JSON.createObjectNode();
        json.putObject("error").put("code", code.wire()).put("message", message);
        return json;
    }

    private static int count(JsonBody body) {
        long count = body.number("count").orElse(1);
        if (count < 1 || count > MAX_FORKS) {
            throw ApiException.invalid("count must be 1 to %d, not %d".formatted(MAX_FORKS, count));
        }
        return (int) count;
    }

    private CapsuleRow present(TeamId team, String id, String operation) {
        var row = capsules.get(team, id);
        if (row.status() != Status.RUNNING && row.status() != Status.PAUSED) {
            throw Capsules.wrongState(row, operation);
        }
        return row;
    }

    private static CheckpointId parse(String text) {
        try {
            return new CheckpointId(text);
        } catch (IllegalArgumentException e) {
            throw ApiException.invalid("not a checkpoint id: " + e.getMessage());
        }
    }

    private static ObjectNode json(History history) {
        var json = JsonBody.JSON.createObjectNode();
        var list = json.putArray("checkpoints");
        history.checkpoints().forEach(c -> list.add(json(c)));
        json.putObject("retention")
                .put("keep_last", history.retention().keepLast())
                .put("keep_for_sec", history.retention().keepFor().toSeconds());
        return json;
    }

    private static ObjectNode json(HostCheckpoint checkpoint) {
        var json = JsonBody.JSON.createObjectNode();
        json.put("id", checkpoint.id().text());
        if (!checkpoint.name().isEmpty()) {
            json.put("name", checkpoint.name());
        }
        json.put("cause", checkpoint.cause().name().toLowerCase(Locale.ROOT));
        if (!checkpoint.reason().isEmpty()) {
            json.put("reason", checkpoint.reason());
        }
        checkpoint.parent().ifPresent(p -> json.put("parent", p.text()));
        json.put("created_at", checkpoint.createdAt().toString());
        json.put("written_bytes", checkpoint.writtenBytes());
        json.put("current", checkpoint.isCurrent());
        return json;
    }
}
