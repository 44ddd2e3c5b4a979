package dev.wrenn.gateway;

import java.net.URI;
import org.eclipse.jetty.client.HttpClient;
import org.eclipse.jetty.client.transport.HttpConversation;
import org.eclipse.jetty.client.transport.HttpRequest;
import org.jspecify.annotations.Nullable;

/**
 * A request whose target goes out exactly as it came in. The client's own requests parse it as a
 * URI, which changes or refuses what browsers send.
 */
final class VerbatimRequest extends HttpRequest {
    private final String path;
    private final @Nullable String query;

    /**
     * @param path encoded
     * @param query encoded; null if the target has none, not even an empty one
     */
    VerbatimRequest(HttpClient client, int port, String path, @Nullable String query) {
        super(client, new HttpConversation(), URI.create("http://localhost:" + port + "/"));
        this.path = path;
        this.query = query;
    }

    @Override
    public String getPath() {
        return path;
    }

    @Override
    public @Nullable String getQuery() {
        return query;
    }
}
