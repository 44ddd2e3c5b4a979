package dev.wrenn.control.capsule;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;
import java.util.Optional;

/** Routes of capsules and templates. */
public final class CapsuleRoutes {
    private static final int CREATED = 201;
    private static final int NO_CONTENT = 204;

    private final Capsules capsules;
    private final Templates templates;
    private final StockBuilds stockBuilds;
    private final Requests requests;

    /** Over those rules. */
    public CapsuleRoutes(
            Capsules capsules, Templates templates, StockBuilds stockBuilds, Requests requests) {
        this.stockBuilds = stockBuilds;
        this.capsules = capsules;
        this.templates = templates;
        this.requests = requests;
    }

    /** Adds them. */
    public void addTo(Routes routes) {
        routes.post("/v1/capsules", this::create);
        routes.get("/v1/capsules", this::list);
        routes.get("/v1/capsules/{id}", this::get);
        routes.delete("/v1/capsules/{id}", this::destroy);
        routes.post("/v1/capsules/{id}/pause", this::pause);
        routes.post("/v1/capsules/{id}/resume", this::resume);
        routes.post("/v1/capsules/{id}/ping", this::ping);
        routes.get("/v1/capsules/{id}/console", this::console);
        routes.post("/v1/snapshots", this::snapshot);
        routes.get("/v1/snapshots", this::templates);
        routes.delete("/v1/snapshots/{name}", this::deleteTemplate);
    }

    private void create(Context ctx) {
        var caller = requests.caller(ctx);
        send(ctx.status(CREATED), capsules.create(caller, requests.body(ctx), stockBuilds).json());
    }

    private void list(Context ctx) {
        var array = JsonBody.JSON.createArrayNode();
        capsules.list(requests.caller(ctx).team()).forEach(c -> array.add(c.json()));
        send(ctx, array);
    }

    private void get(Context ctx) {
        send(ctx, capsules.get(requests.caller(ctx).team(), ctx.pathParam("id")).json());
    }

    private void destroy(Context ctx) {
        capsules.destroy(requests.caller(ctx), ctx.pathParam("id"));
        ctx.status(NO_CONTENT);
    }

    private void pause(Context ctx) {
        send(ctx, capsules.pause(requests.caller(ctx), ctx.pathParam("id")).json());
    }

    private void resume(Context ctx) {
        send(ctx, capsules.resume(requests.caller(ctx), ctx.pathParam("id")).json());
    }

    private void ping(Context ctx) {
        capsules.ping(requests.caller(ctx).team(), ctx.pathParam("id"));
        ctx.status(NO_CONTENT);
    }

    private void console(Context ctx) {
        var row = capsules.get(requests.caller(ctx).team(), ctx.pathParam("id"));
        var json = JsonBody.JSON.createObjectNode();
        json.put("sandbox_id", row.id().text());
        json.put("text", capsules.console(row));
        send(ctx, json);
    }

    private void snapshot(Context ctx) {
        var caller = requests.caller(ctx);
        boolean overwrite = "true".equals(ctx.queryParam("overwrite"));
        send(ctx.status(CREATED), capsules.snapshot(caller, requests.body(ctx), overwrite));
    }

    private void templates(Context ctx) {
        var array = JsonBody.JSON.createArrayNode();
        templates
                .list(
                        requests.caller(ctx).team(),
                        Optional.ofNullable(ctx.queryParam("type")),
                        stockBuilds)
                .forEach(array::add);
        send(ctx, array);
    }

    private void deleteTemplate(Context ctx) {
        templates.delete(requests.caller(ctx), ctx.pathParam("name"));
        ctx.status(NO_CONTENT);
    }

    private static void send(Context ctx, JsonNode body) {
        ctx.contentType("application/json").result(body.toString());
    }
}
