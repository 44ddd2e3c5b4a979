package dev.wrenn.control.http;

import io.javalin.config.RoutesConfig;
import io.javalin.http.Handler;
import io.javalin.websocket.WsConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Adds routes under both of their prefixes: clients of the hosted service have {@code /api} in
 * their base URL, others do not.
 */
public final class Routes {
    private static final List<String> PREFIXES = List.of("", "/api");

    private final RoutesConfig routes;
    private final List<String> added = new ArrayList<>();

    /** Adds to these. */
    public Routes(RoutesConfig routes) {
        this.routes = routes;
    }

    /** A GET route. */
    public void get(String path, Handler handler) {
        added.add("GET " + path);
        PREFIXES.forEach(p -> routes.get(p + path, handler));
    }

    /** A PUT route. */
    public void put(String path, Handler handler) {
        added.add("PUT " + path);
        PREFIXES.forEach(p -> routes.put(p + path, handler));
    }

    /** A POST route. */
    public void post(String path, Handler handler) {
        added.add("POST " + path);
        PREFIXES.forEach(p -> routes.post(p + path, handler));
    }

    /**
     * A WebSocket route.
     *
     * @param beforeUpgrade may refuse the upgrade
     */
    public void socket(String path, Handler beforeUpgrade, Consumer<WsConfig> listeners) {
        added.add("GET " + path);
        PREFIXES.forEach(p -> {
            routes.wsBeforeUpgrade(p + path, beforeUpgrade);
            routes.ws(p + path, listeners);
        });
    }

    /** A DELETE route. */
    public void delete(String path, Handler handler) {
        added.add("DELETE " + path);
        PREFIXES.forEach(p -> routes.delete(p + path, handler));
    }

    /** What was added: method and path without its prefix, in that order. */
    public List<String> added() {
        return List.copyOf(added);
    }
}
