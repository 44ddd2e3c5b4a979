package dev.wrenn.control.build;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;

/** Routes of template builds. */
public final class BuildRoutes {
    private static final int CREATED = 201;
    private static final int NO_CONTENT = 204;
    private static final int LINES_AT_ONCE = 500;
    private static final Duration LOOK_INTERVAL = Duration.ofMillis(200);
    private static final Duration KEEPALIVE = Duration.ofSeconds(10);

    private final Builds builds;
    private final Requests requests;

    /** Over those rules. */
    public BuildRoutes(Builds builds, Requests requests) {
        this.builds = builds;
        this.requests = requests;
    }

    /** Adds them. */
    public void addTo(Routes routes) {
        routes.post("/v1/builds", this::submit);
        routes.get("/v1/builds", this::list);
        routes.get("/v1/builds/{id}", this::get);
        routes.get("/v1/builds/{id}/logs", this::logs);
        routes.post("/v1/builds/{id}/cancel", this::cancel);
    }

    private void submit(Context ctx) {
        var team = requests.caller(ctx).team();
        var type = Optional.ofNullable(ctx.contentType()).orElse("").toLowerCase(Locale.ROOT);
        ctx.status(CREATED);
        if (!type.startsWith("multipart/form-data")) {
            send(ctx, builds.submit(team, requests.body(ctx), Optional.empty()));
            return;
        }
        if (ctx.req().getContentLengthLong() > builds.maxArchiveBytes() + LINES_AT_ONCE * 1024L) {
            throw tooLarge();
        }
        var config = ctx.formParam("config");
        if (config == null) {
            throw ApiException.invalid("the form needs the field config with the build as JSON");
        }
        var upload = ctx.uploadedFile("archive");
        if (upload == null) {
            send(ctx, builds.submit(team, JsonBody.parse(config), Optional.empty()));
            return;
        }
        if (upload.size() > builds.maxArchiveBytes()) {
            throw tooLarge();
        }
        try (var content = upload.content();
                var archive = Archive.read(content)) {
            send(ctx, builds.submit(team, JsonBody.parse(config), Optional.of(archive)));
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the upload cannot be read", e);
        }
    }

    private ApiException tooLarge() {
        return new ApiException(
                ErrorCode.TOO_LARGE,
                "an archive may have at most %d MiB".formatted(builds.maxArchiveBytes() >> 20));
    }

    private void list(Context ctx) {
        var array = JsonBody.JSON.createArrayNode();
        builds.list(requests.caller(ctx).team()).forEach(array::add);
        ctx.contentType("application/json").result(array.toString());
    }

    private void get(Context ctx) {
        send(ctx, builds.get(requests.caller(ctx).team(), ctx.pathParam("id")));
    }

    private void cancel(Context ctx) {
        builds.cancel(requests.caller(ctx).team(), ctx.pathParam("id"));
        ctx.status(NO_CONTENT);
    }

    /** One JSON object a line; with {@code follow} until the build has ended. */
    private void logs(Context ctx) {
        var team = requests.caller(ctx).team();
        var build = builds.require(team, ctx.pathParam("id"));
        boolean follow = "true".equals(ctx.queryParam("follow"));
        ctx.contentType("application/x-ndjson");
        try {
            var out = ctx.res().getOutputStream();
            long seq = copy(build.id(), 0, out);
            var quiet = Deadline.after(KEEPALIVE);
            while (follow && !isOver(team, build.id())) {
                long before = seq;
                Pause.until(() -> false, LOOK_INTERVAL, Deadline.after(LOOK_INTERVAL));
                seq = copy(build.id(), seq, out);
                if (seq != before) {
                    quiet = Deadline.after(KEEPALIVE);
                } else if (quiet.isPast()) {
                    write(out, "{\"event\":\"keepalive\"}");
                    quiet = Deadline.after(KEEPALIVE);
                }
            }
            copy(build.id(), seq, out);
            end(builds.require(team, build.id().text()), out);
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the client went away", e);
        }
    }

    private boolean isOver(TeamId team, BuildId id) {
        return builds.require(team, id.text()).status().isFinal();
    }

    private long copy(BuildId id, long from, OutputStream out) throws IOException {
        long seq = from;
        for (var lines = builds.logAfter(id, seq, LINES_AT_ONCE);
                !lines.isEmpty();
                lines = builds.logAfter(id, seq, LINES_AT_ONCE)) {
            for (var line : lines) {
                write(out, line.json());
                seq = line.seq();
            }
        }
        out.flush();
        return seq;
    }

    private static void end(Build build, OutputStream out) throws IOException {
        var json = JsonBody.JSON.createObjectNode();
        json.put("event", build.status().isFinal() ? "end" : "so_far");
        json.put("status", build.status().wire());
        if (!build.error().isEmpty()) {
            json.put("error", build.error());
        }
        write(out, json.toString());
    }

    private static void write(OutputStream out, String line) throws IOException {
        out.write((line + "\n").getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    private static void send(Context ctx, ObjectNode json) {
        ctx.contentType("application/json").result(json.toString());
    }
}
