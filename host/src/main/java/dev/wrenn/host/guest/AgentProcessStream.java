package dev.wrenn.host.guest;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessEvent.Channel;
import dev.wrenn.contract.guest.ProcessStream;
import java.io.IOException;
import java.util.Optional;

/** Events of a process as the agent streams them; keepalives are swallowed here. */
final class AgentProcessStream implements ProcessStream {
    private final ConnectStream messages;
    private final EndReason endReason;
    private boolean ended;

    AgentProcessStream(ConnectStream messages, EndReason endReason) {
        this.messages = messages;
        this.endReason = endReason;
    }

    @Override
    public Optional<ProcessEvent> next() {
        while (!ended) {
            Optional<JsonNode> message;
            try {
                message = messages.next();
            } catch (GuestFailure e) {
                ended = true;
                if (e.isTimeout()) {
                    return Optional.of(new ProcessEvent.Ended(-1, "killed at its limit", true));
                }
                throw endReason.failure().orElse((WrennException) e);
            }
            if (message.isEmpty()) {
                ended = true;
                endReason
                        .failure()
                        .ifPresent(e -> {
                            throw e;
                        });
                break;
            }
            var event = parse(message.get().path("event"));
            if (event.isPresent()) {
                ended = event.get() instanceof ProcessEvent.Ended;
                return event;
            }
        }
        return Optional.empty();
    }

    private static Optional<ProcessEvent> parse(JsonNode event) {
        if (event.has("start")) {
            return Optional.of(new ProcessEvent.Started(event.get("start").path("pid").asInt()));
        }
        if (event.has("data")) {
            var data = event.get("data");
            for (var channel : Channel.values()) {
                var bytes = data.get(fieldOf(channel));
                if (bytes != null) {
                    return Optional.of(new ProcessEvent.Output(channel, decode(bytes)));
                }
            }
            return Optional.empty();
        }
        if (event.has("end")) {
            var end = event.get("end");
            var status = end.path("status").asText("");
            return Optional.of(
                    new ProcessEvent.Ended(
                            end.path("exited").asBoolean() ? end.path("exitCode").asInt() : -1,
                            status,
                            false));
        }
        return Optional.empty(); // keepalive
    }

    private static String fieldOf(Channel channel) {
        return switch (channel) {
            case STDOUT -> "stdout";
            case STDERR -> "stderr";
            case PTY -> "pty";
        };
    }

    private static byte[] decode(JsonNode base64) {
        try {
            return base64.binaryValue();
        } catch (IOException e) {
            throw new GuestFailure(Kind.UNAVAILABLE, "the guest agent sent broken output", e);
        }
    }

    @Override
    public void close() {
        messages.close();
    }
}
