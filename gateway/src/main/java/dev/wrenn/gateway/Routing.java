package dev.wrenn.gateway;

import java.util.Optional;
import org.eclipse.jetty.http.HttpFields;

/** Decides whether a request is for a capsule, by nothing but its head. */
interface Routing {
    /**
     * Where the request goes; empty if it is for the API.
     *
     * @param host the host it was sent to, without port
     */
    Optional<Route> route(String host, HttpFields headers);
}
