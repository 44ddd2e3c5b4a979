package dev.wrenn.control.usage;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;
import java.util.Optional;

/** Routes of what a team has reserved. */
public final class UsageRoutes {
    private final Usage usage;
    private final Requests requests;

    /** Over that. */
    public UsageRoutes(Usage usage, Requests requests) {
        this.usage = usage;
        this.requests = requests;
    }

    /** Adds them; before those of a single capsule, whose ids they would be taken for. */
    public void addTo(Routes routes) {
        routes.get("/v1/capsules/stats", this::stats);
        routes.get("/v1/capsules/usage", this::usage);
    }

    private void stats(Context ctx) {
        send(ctx, usage.stats(requests.caller(ctx).team(), parameter(ctx, "range")));
    }

    private void usage(Context ctx) {
        send(
                ctx,
                usage.usage(
                        requests.caller(ctx).team(), parameter(ctx, "from"), parameter(ctx, "to")));
    }

    private static Optional<String> parameter(Context ctx, String name) {
        return Optional.ofNullable(ctx.queryParam(name)).filter(p -> !p.isEmpty());
    }

    private static void send(Context ctx, JsonNode body) {
        ctx.contentType("application/json").result(body.toString());
    }
}
