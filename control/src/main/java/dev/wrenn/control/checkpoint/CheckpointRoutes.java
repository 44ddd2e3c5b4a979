package dev.wrenn.control.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;

/** Routes of a capsule's checkpoints. */
public final class CheckpointRoutes {
    private static final int CREATED = 201;
    private static final int NO_CONTENT = 204;

    private final Checkpoints checkpoints;
    private final Requests requests;

    /** Over these rules. */
    public CheckpointRoutes(Checkpoints checkpoints, Requests requests) {
        this.checkpoints = checkpoints;
        this.requests = requests;
    }

    /** Adds them. */
    public void addTo(Routes routes) {
        routes.get("/v1/capsules/{id}/checkpoints", this::list);
        routes.post("/v1/capsules/{id}/checkpoints", this::create);
        routes.delete("/v1/capsules/{id}/checkpoints/{checkpoint}", this::delete);
        routes.put("/v1/capsules/{id}/retention", this::retain);
        routes.post("/v1/capsules/{id}/rollback", this::rollback);
        routes.post("/v1/capsules/{id}/fork", this::fork);
    }

    private void list(Context ctx) {
        send(ctx, checkpoints.list(requests.caller(ctx).team(), ctx.pathParam("id")));
    }

    private void create(Context ctx) {
        var team = requests.caller(ctx).team();
        var made = checkpoints.create(team, ctx.pathParam("id"), requests.body(ctx));
        send(ctx.status(CREATED), made);
    }

    private void delete(Context ctx) {
        checkpoints.delete(
                requests.caller(ctx).team(), ctx.pathParam("id"), ctx.pathParam("checkpoint"));
        ctx.status(NO_CONTENT);
    }

    private void retain(Context ctx) {
        var team = requests.caller(ctx).team();
        send(ctx, checkpoints.retain(team, ctx.pathParam("id"), requests.body(ctx)));
    }

    private void rollback(Context ctx) {
        var team = requests.caller(ctx).team();
        send(ctx, checkpoints.rollback(team, ctx.pathParam("id"), requests.body(ctx)));
    }

    private void fork(Context ctx) {
        var team = requests.caller(ctx).team();
        var made = checkpoints.fork(team, ctx.pathParam("id"), requests.body(ctx));
        send(ctx.status(CREATED), made);
    }

    private static void send(Context ctx, JsonNode body) {
        ctx.contentType("application/json").result(body.toString());
    }
}
