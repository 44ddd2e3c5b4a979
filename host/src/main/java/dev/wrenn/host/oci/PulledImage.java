package dev.wrenn.host.oci;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.contract.host.ProcessDefaults;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/** An image whose parts are on this machine, each checked against its digest. */
public final class PulledImage {
    private static final Pattern NUMBERS = Pattern.compile("\\d+(:\\d+)?");

    private final String pinned;
    private final String digest;
    private final JsonNode config;
    private final List<Layer> layers;

    PulledImage(String pinned, String digest, JsonNode config, List<Layer> layers) {
        this.pinned = pinned;
        this.digest = digest;
        this.config = config;
        this.layers = List.copyOf(layers);
    }

    /** The reference with the digest of its manifest, which names this very content. */
    public String pinned() {
        return pinned;
    }

    /** SHA-256 of the manifest, in hex. */
    public String digest() {
        return digest;
    }

    /** Writes all its files as one tar that is safe to unpack into an empty folder. */
    public void writeTar(Path into) {
        new MergedTar(layers).write(into, directory().map(List::of).orElse(List.of()));
    }

    /** What its processes get: ENV, USER and WORKDIR. */
    public ProcessDefaults defaults() {
        var environment = new LinkedHashMap<String, String>();
        for (var line : texts("Env")) {
            int equals = line.indexOf('=');
            if (equals > 0) {
                environment.put(line.substring(0, equals), line.substring(equals + 1));
            }
        }
        return new ProcessDefaults(Map.copyOf(environment), user(), directory());
    }

    private Optional<String> user() {
        var user = config.path("User").asText("");
        if (user.isEmpty() || NUMBERS.matcher(user).matches()) {
            return Optional.of(user).filter(u -> !u.isEmpty());
        }
        // A named group beside the user's own groups cannot be given to a process.
        int colon = user.indexOf(':');
        return Optional.of(colon < 0 ? user : user.substring(0, colon));
    }

    private Optional<String> directory() {
        return Optional.of(config.path("WorkingDir").asText("")).filter(d -> d.startsWith("/"));
    }

    /** ENTRYPOINT and CMD; empty if it has neither. */
    public List<String> start() {
        var words = new ArrayList<>(texts("Entrypoint"));
        words.addAll(texts("Cmd"));
        return List.copyOf(words);
    }

    private List<String> texts(String field) {
        var texts = new ArrayList<String>();
        config.path(field).forEach(text -> texts.add(text.asText()));
        return texts;
    }
}
