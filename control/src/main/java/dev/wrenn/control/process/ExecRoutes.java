package dev.wrenn.control.process;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.guest.Signal;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.capsule.CapsuleRow;
import dev.wrenn.control.capsule.Capsules;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;

/** Routes of commands: run one and wait, start one in the background, list them, end one. */
public final class ExecRoutes {
    private static final int ACCEPTED = 202;
    private static final int NO_CONTENT = 204;
    private static final int DEFAULT_TIMEOUT_SEC = 30;

    private final Capsules capsules;
    private final Requests requests;

    /** Over those rules. */
    public ExecRoutes(Capsules capsules, Requests requests) {
        this.capsules = capsules;
        this.requests = requests;
    }

    /** Adds them. */
    public void addTo(Routes routes) {
        routes.post("/v1/capsules/{id}/exec", this::exec);
        routes.get("/v1/capsules/{id}/processes", this::list);
        routes.delete("/v1/capsules/{id}/processes/{selector}", this::kill);
    }

    private void exec(Context ctx) {
        var row = capsules.get(requests.caller(ctx).team(), ctx.pathParam("id"));
        try (var session = capsules.session(row, "run a command in")) {
            var body = requests.body(ctx);
            if (body.flag("background")) {
                start(ctx, row, session, body);
            } else {
                run(ctx, row, session, body);
            }
        }
        capsules.touched(row.id());
    }

    private static void run(Context ctx, CapsuleRow row, GuestSession session, JsonBody body) {
        var limit =
                Limits.of(body.number("timeout_sec").orElse(0))
                        .orElse(Duration.ofSeconds(DEFAULT_TIMEOUT_SEC));
        var watch = Stopwatch.start();
        var output = new CapturedOutput();
        var exitCode = OptionalInt.empty();
        try (var events = session.start(order(body, Optional.of(limit), Optional.empty()))) {
            for (var event = events.next(); event.isPresent(); event = events.next()) {
                switch (event.get()) {
                    case ProcessEvent.Started _ -> {}
                    case ProcessEvent.Output(var channel, var bytes) ->
                            output.keep(channel == ProcessEvent.Channel.STDERR, bytes);
                    case ProcessEvent.Ended(int code, var _, boolean timedOut) -> {
                        if (timedOut) {
                            throw new ApiException(
                                    ErrorCode.AGENT_ERROR,
                                    "the command was killed after its limit of %d s; pass a"
                                                    .formatted(limit.toSeconds())
                                            + " larger timeout_sec or run it in the background");
                        }
                        exitCode = OptionalInt.of(code);
                    }
                }
            }
        }
        int code =
                exitCode.orElseThrow(() ->
                        new ApiException(
                                ErrorCode.AGENT_ERROR,
                                "the command was cut off before its end was known"));
        ctx.contentType("application/json");
        try (var json = JsonBody.JSON.createGenerator(ctx.res().getOutputStream())) {
            json.writeStartObject();
            json.writeStringField("sandbox_id", row.id().text());
            json.writeStringField("cmd", body.requiredText("cmd"));
            output.write(json);
            json.writeNumberField("exit_code", code);
            json.writeNumberField("duration_ms", watch.elapsed().toMillis());
            json.writeEndObject();
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the client left before its answer", e);
        }
    }

    private static void start(Context ctx, CapsuleRow row, GuestSession session, JsonBody body) {
        var tag =
                body.text("tag")
                        .orElseGet(() -> "proc-" + UUID.randomUUID().toString().substring(0, 8));
        try (var events = session.start(order(body, Optional.empty(), Optional.of(tag)))) {
            var first = events.next();
            if (first.isPresent() && first.get() instanceof ProcessEvent.Started(int pid)) {
                var json = JsonBody.JSON.createObjectNode();
                json.put("sandbox_id", row.id().text());
                json.put("cmd", body.requiredText("cmd"));
                json.put("pid", pid);
                json.put("tag", tag);
                ctx.status(ACCEPTED).contentType("application/json").result(json.toString());
                return;
            }
            throw new ApiException(ErrorCode.AGENT_ERROR, "the command did not start");
        }
    }

    private void list(Context ctx) {
        var row = capsules.get(requests.caller(ctx).team(), ctx.pathParam("id"));
        try (var session = capsules.session(row, "list the processes of")) {
            var json = JsonBody.JSON.createObjectNode();
            var array = json.putArray("processes");
            for (var process : session.processes()) {
                var entry = array.addObject();
                entry.put("pid", process.pid());
                process.tag().ifPresent(t -> entry.put("tag", t));
                entry.put("cmd", process.command());
                if (!process.arguments().isEmpty()) {
                    var arguments = entry.putArray("args");
                    process.arguments().forEach(arguments::add);
                }
            }
            ctx.contentType("application/json").result(json.toString());
        }
    }

    private void kill(Context ctx) {
        var row = capsules.get(requests.caller(ctx).team(), ctx.pathParam("id"));
        try (var session = capsules.session(row, "end a process of")) {
            var signal =
                    switch (Optional.ofNullable(ctx.queryParam("signal")).orElse("SIGKILL")) {
                        case "SIGTERM" -> Signal.TERM;
                        case "SIGKILL", "" -> Signal.KILL;
                        default -> throw ApiException.invalid("signal must be SIGTERM or SIGKILL");
                    };
            session.signal(Selectors.parse(ctx.pathParam("selector")), signal);
            ctx.status(NO_CONTENT);
        }
    }

    private static ProcessStart order(
            JsonBody body, Optional<Duration> limit, Optional<String> tag) {
        return new ProcessStart(
                body.text("cmd").orElseThrow(() -> ApiException.invalid("cmd must name a program")),
                body.texts("args"),
                body.variables("envs"),
                body.text("cwd"),
                Optional.empty(),
                tag,
                Optional.empty(),
                limit,
                ProcessStart.DEFAULT_DRAIN_GRACE);
    }
}
