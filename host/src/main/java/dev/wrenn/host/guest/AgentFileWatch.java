package dev.wrenn.host.guest;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.FileChange;
import dev.wrenn.contract.guest.FileWatch;
import java.util.Optional;

/** Changes of a directory as the agent streams them; keepalives are swallowed here. */
final class AgentFileWatch implements FileWatch {
    private final ConnectStream messages;
    private final EndReason endReason;

    AgentFileWatch(ConnectStream messages, EndReason endReason) {
        this.messages = messages;
        this.endReason = endReason;
    }

    /** Returns once nothing is missed any more; fails if the directory cannot be watched. */
    void awaitStart() {
        if (read().filter(m -> m.has("start")).isEmpty()) {
            throw new GuestFailure(Kind.UNAVAILABLE, "the guest agent did not begin to watch");
        }
    }

    @Override
    public Optional<FileChange> next() {
        while (true) {
            var message = read();
            if (message.isEmpty()) {
                return Optional.empty();
            }
            var change = parse(message.get().path("filesystem"));
            if (change.isPresent()) {
                return change;
            }
        }
    }

    private Optional<JsonNode> read() {
        try {
            var message = messages.next();
            if (message.isEmpty()) {
                endReason
                        .failure()
                        .ifPresent(e -> {
                            throw e;
                        });
            }
            return message;
        } catch (GuestFailure e) {
            throw endReason.failure().orElse((WrennException) e);
        }
    }

    private static Optional<FileChange> parse(JsonNode event) {
        var name = event.path("name").asText();
        return switch (event.path("type").asText()) {
            case "EVENT_TYPE_CREATE" -> change(FileChange.Kind.CREATE, name);
            case "EVENT_TYPE_WRITE" -> change(FileChange.Kind.WRITE, name);
            case "EVENT_TYPE_REMOVE" -> change(FileChange.Kind.REMOVE, name);
            case "EVENT_TYPE_RENAME" -> change(FileChange.Kind.RENAME, name);
            case "EVENT_TYPE_CHMOD" -> change(FileChange.Kind.CHMOD, name);
            default -> Optional.empty(); // keepalive
        };
    }

    private static Optional<FileChange> change(FileChange.Kind kind, String name) {
        return Optional.of(new FileChange(kind, name));
    }

    @Override
    public void close() {
        messages.close();
    }
}
