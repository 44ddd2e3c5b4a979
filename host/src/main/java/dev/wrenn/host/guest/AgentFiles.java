package dev.wrenn.host.guest;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.contract.guest.FileContent;
import dev.wrenn.contract.guest.FileEntry;
import java.io.InputStream;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.client.InputStreamRequestContent;
import org.eclipse.jetty.client.InputStreamResponseListener;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpMethod;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.io.ByteBufferPool;

/** Files over the agent's plain {@code /files} route, streamed in both directions. */
final class AgentFiles {
    private static final Duration FIRST_BYTE_LIMIT = Duration.ofMinutes(2);

    private AgentFiles() {}

    static FileContent read(GuestAgent agent, String path, long offset) {
        var request =
                agent.request(route(path), HttpMethod.GET)
                        // Files are served as they are: compressing them would cost the guest.
                        .headers(h -> h.put(HttpHeader.ACCEPT_ENCODING, "identity"))
                        .idleTimeout(0, TimeUnit.MILLISECONDS);
        if (offset > 0) {
            request.headers(h -> h.put(HttpHeader.RANGE, "bytes=" + offset + "-"));
        }
        var listener = new InputStreamResponseListener();
        request.send(listener);
        var response = GuestAgent.awaitHead(listener, FIRST_BYTE_LIMIT);
        if (!HttpStatus.isSuccess(response.getStatus())) {
            throw GuestAgent.plainError(response.getStatus(), listener.getInputStream());
        }
        long length = response.getHeaders().getLongField(HttpHeader.CONTENT_LENGTH);
        return new FileContent(
                listener.getInputStream(),
                length < 0 ? OptionalLong.empty() : OptionalLong.of(length));
    }

    static void write(GuestAgent agent, String path, long offset, InputStream content) {
        var request =
                agent.request(route(path) + "&offset=" + offset, HttpMethod.POST)
                        .idleTimeout(0, TimeUnit.MILLISECONDS)
                        .body(
                                new InputStreamRequestContent(
                                        "application/octet-stream",
                                        content,
                                        ByteBufferPool.SIZED_NON_POOLING));
        var listener = new InputStreamResponseListener();
        request.send(listener);
        // The answer comes after the last byte was stored: there is no limit but the sender's own.
        var response = GuestAgent.awaitHead(listener, Duration.ofDays(1));
        if (!HttpStatus.isSuccess(response.getStatus())) {
            throw GuestAgent.plainError(response.getStatus(), listener.getInputStream());
        }
    }

    static FileEntry entry(JsonNode entry) {
        return new FileEntry(
                entry.path("name").asText(),
                entry.path("path").asText(),
                switch (entry.path("type").asText()) {
                    case "FILE_TYPE_DIRECTORY" -> FileEntry.Type.DIRECTORY;
                    case "FILE_TYPE_SYMLINK" -> FileEntry.Type.SYMLINK;
                    default -> FileEntry.Type.FILE;
                },
                entry.path("size").asLong(),
                entry.path("mode").asInt() & 07777,
                entry.path("permissions").asText(),
                entry.path("owner").asText(),
                entry.path("group").asText(),
                instant(entry.path("modifiedTime").asText()),
                Optional.ofNullable(entry.get("symlinkTarget")).map(JsonNode::asText));
    }

    private static Instant instant(String text) {
        try {
            return Instant.parse(text);
        } catch (DateTimeParseException _) {
            return Instant.EPOCH; // a guest may have set any time on its files
        }
    }

    private static String route(String path) {
        return "/files?path=" + URLEncoder.encode(path, StandardCharsets.UTF_8);
    }
}
