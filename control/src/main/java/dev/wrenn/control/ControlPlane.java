package dev.wrenn.control;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.gateway.CapsuleDoor;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.control.auth.ApiKeyRoutes;
import dev.wrenn.control.auth.ApiKeys;
import dev.wrenn.control.auth.Requests;
import dev.wrenn.control.build.BuildConfig;
import dev.wrenn.control.build.BuildRoutes;
import dev.wrenn.control.build.BuildWorkers;
import dev.wrenn.control.build.Builds;
import dev.wrenn.control.capsule.BuildCapsules;
import dev.wrenn.control.capsule.CapsuleRoutes;
import dev.wrenn.control.capsule.Capsules;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.control.capsule.MetricsRoutes;
import dev.wrenn.control.capsule.PortDoor;
import dev.wrenn.control.capsule.Reconciliation;
import dev.wrenn.control.capsule.StockTemplates;
import dev.wrenn.control.capsule.Templates;
import dev.wrenn.control.checkpoint.CheckpointRoutes;
import dev.wrenn.control.checkpoint.Checkpoints;
import dev.wrenn.control.document.DocumentRoutes;
import dev.wrenn.control.event.EventFeed;
import dev.wrenn.control.event.EventRoutes;
import dev.wrenn.control.event.Events;
import dev.wrenn.control.file.FileRoutes;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.ErrorResponse;
import dev.wrenn.control.http.RefusedRequests;
import dev.wrenn.control.http.Routes;
import dev.wrenn.control.operator.OperatorMetrics;
import dev.wrenn.control.operator.OperatorRoutes;
import dev.wrenn.control.process.ExecRoutes;
import dev.wrenn.control.socket.ExecSockets;
import dev.wrenn.control.socket.PortSockets;
import dev.wrenn.control.socket.PtySockets;
import dev.wrenn.control.socket.Sockets;
import dev.wrenn.control.socket.WatchSockets;
import dev.wrenn.control.usage.Usage;
import dev.wrenn.control.usage.UsageRoutes;
import dev.wrenn.control.usage.UsageSampling;
import io.javalin.Javalin;
import io.javalin.config.JavalinConfig;
import io.javalin.http.Context;
import io.javalin.http.HttpResponseException;
import io.javalin.http.MethodNotAllowedResponse;
import jakarta.servlet.ServletException;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.eclipse.jetty.http.HttpException;
import org.eclipse.jetty.server.Handler;

/** The control plane: wires routes, rules and rows, and serves them. */
public final class ControlPlane implements Resource {
    private static final String VERSION = "0.1.0";
    private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._-]{1,64}");
    private static final String REQUEST_ID_HEADER = "X-Request-Id";
    private static final int NOT_FOUND = 404;
    private static final int UNAVAILABLE = 503;
    private static final String RETRY_AFTER_SEC = "2";
    private static final long SOCKET_MESSAGE_LIMIT_BYTES = 16L << 20;
    private static final Duration SOCKET_IDLE_LIMIT = Duration.ofMinutes(10);

    private final ApiKeys keys;
    private final Reconciliation reconciliation;
    private final BuildWorkers builders;
    private final UsageSampling sampling;
    private final EventFeed feed;
    private final Javalin http;
    private final List<String> routes;

    private ControlPlane(
            ApiKeys keys,
            Reconciliation reconciliation,
            BuildWorkers builders,
            UsageSampling sampling,
            EventFeed feed,
            Javalin http,
            List<String> routes) {
        this.keys = keys;
        this.reconciliation = reconciliation;
        this.builders = builders;
        this.sampling = sampling;
        this.feed = feed;
        this.http = http;
        this.routes = List.copyOf(routes);
    }

    /** Serves the API alone; without a gateway, no port of a capsule is reached. */
    public static ControlPlane start(
            ControlConfig config,
            Database database,
            HostAgent host,
            InstantSource clock,
            String listenHost,
            int listenPort) {
        return start(
                config, database, host, clock, listenHost, listenPort, _ -> new Handler.Wrapper());
    }

    /**
     * Serves the API behind a gateway on the same listener.
     *
     * @param gateway makes the gateway for the door that it has to ask
     * @param listenHost address to listen on
     * @param listenPort port, 0 for any free one
     * @throws WrennException if the port is taken
     */
    public static ControlPlane start(
            ControlConfig config,
            Database database,
            HostAgent host,
            InstantSource clock,
            String listenHost,
            int listenPort,
            Function<CapsuleDoor, Handler.Wrapper> gateway) {
        var db = database.jdbi();
        var keys = new ApiKeys(db, clock);
        var stock = new StockTemplates(db, host, clock);
        stock.announce();
        var events = new Events(db, clock);
        var templates = new Templates(db, stock, host, events, clock);
        var metrics = new OperatorMetrics(VERSION, db, database::connections, host);
        var capsules =
                new Capsules(db, templates, stock, host, config, events, clock, metrics.timer());
        var requests = new Requests(keys, config.maxJsonBytes());
        var buildCapsules = new BuildCapsules(db, capsules, templates, stock, host, clock);
        var builds = new Builds(db, buildCapsules, config, BuildConfig.DEFAULTS, clock);
        var reconciliation = Reconciliation.start(capsules, host);
        var builders = BuildWorkers.start(db, buildCapsules, BuildConfig.DEFAULTS);
        var usage = new Usage(db, clock);
        var sampling = UsageSampling.start(usage);
        var feed = EventFeed.start(db, capsules::describe, clock);
        var served = new ArrayList<String>();
        try {
            var http =
                    Javalin.create(settings -> {
                        configure(settings);
                        var door = new PortDoor(capsules, host, keys, clock);
                        settings.jetty.modifyServer(s -> s.insertHandler(gateway.apply(door)));
                        var routes = new Routes(settings.routes);
                        routes.get("/health", ControlPlane::health);
                        new DocumentRoutes().addTo(routes);
                        new OperatorRoutes(metrics, host, keys, requests).addTo(routes);
                        new UsageRoutes(usage, requests).addTo(routes);
                        new CapsuleRoutes(capsules, templates, builds, requests).addTo(routes);
                        new MetricsRoutes(capsules, host, requests).addTo(routes);
                        new CheckpointRoutes(
                                        new Checkpoints(
                                                capsules, host.checkpoints(), metrics.timer()),
                                        requests)
                                .addTo(routes);
                        new ExecRoutes(capsules, requests).addTo(routes);
                        new FileRoutes(capsules, requests).addTo(routes);
                        new BuildRoutes(builds, requests).addTo(routes);
                        new ApiKeyRoutes(keys, requests).addTo(routes);
                        new EventRoutes(feed, requests, clock).addTo(routes);
                        var sockets = new Sockets(keys, capsules);
                        new ExecSockets(sockets).addTo(routes);
                        new PtySockets(sockets).addTo(routes);
                        new PortSockets(sockets).addTo(routes);
                        new WatchSockets(sockets).addTo(routes);
                        served.addAll(routes.added());
                    });
            http.start(listenHost, listenPort);
            return new ControlPlane(keys, reconciliation, builders, sampling, feed, http, served);
        } catch (RuntimeException e) {
            feed.close();
            sampling.close();
            builders.close();
            reconciliation.close();
            throw new WrennException(
                    Kind.UNAVAILABLE,
                    "cannot listen on %s:%d; is the port taken? choose another with --listen"
                            .formatted(listenHost, listenPort),
                    e);
        }
    }

    private static void configure(JavalinConfig settings) {
        settings.concurrency.useVirtualThreads = true;
        settings.startup.showJavalinBanner = false;
        settings.router.ignoreTrailingSlashes = true;
        settings.http.prefer405over404 = true;
        settings.http.generateEtags = false;
        settings.http.maxRequestSize = Long.MAX_VALUE; // each route has its own limit
        settings.jetty.modifyHttpConfiguration(c -> c.setSendServerVersion(false));
        settings.jetty.modifyServer(s -> s.setErrorHandler(new RefusedRequests()));
        settings.jetty.modifyServletContextHandler(h -> h.setErrorHandler(new RefusedRequests()));
        settings.jetty.modifyWebSocketServletFactory(f -> {
            f.setMaxTextMessageSize(SOCKET_MESSAGE_LIMIT_BYTES);
            f.setMaxBinaryMessageSize(SOCKET_MESSAGE_LIMIT_BYTES);
            f.setIdleTimeout(SOCKET_IDLE_LIMIT);
        });
        var routes = settings.routes;
        routes.before(ControlPlane::nameRequest);
        routes.exception(
                MethodNotAllowedResponse.class,
                (e, ctx) -> {
                    ctx.header("Allow", e.getDetails().getOrDefault("availableMethods", ""));
                    answer(
                            ctx,
                            new ErrorResponse(
                                    ErrorCode.METHOD_NOT_ALLOWED,
                                    ctx.method() + " is not possible here"));
                });
        routes.exception(HttpResponseException.class, ControlPlane::answerFramework);
        routes.exception(
                ServletException.class, (_, ctx) -> answerMalformed(ctx, "the form is malformed"));
        routes.exception(
                HttpException.RuntimeException.class,
                (_, ctx) -> answerMalformed(ctx, "the request is malformed"));
        routes.exception(
                IOException.class, (_, ctx) -> answerMalformed(ctx, "the request broke off"));
        routes.exception(
                Exception.class, (e, ctx) -> answer(ctx, ErrorResponse.of(e, requestId(ctx))));
    }

    private static void health(Context ctx) {
        ctx.contentType("application/json")
                .result("{\"status\":\"ok\",\"version\":\"" + VERSION + "\"}");
    }

    /** What is left of such a request cannot be told from a next one. */
    private static void answerMalformed(Context ctx, String how) {
        ctx.header("Connection", "close");
        answer(ctx, new ErrorResponse(ErrorCode.INVALID_REQUEST, how + "; nothing was done"));
    }

    /** What the web framework refuses by itself gets the same envelope. */
    private static void answerFramework(HttpResponseException e, Context ctx) {
        if (e.getStatus() == NOT_FOUND) {
            answer(ctx, new ErrorResponse(ErrorCode.NOT_FOUND, "there is no route " + ctx.path()));
        } else {
            answer(
                    ctx,
                    new ErrorResponse(ErrorCode.INVALID_REQUEST, String.valueOf(e.getMessage())));
        }
    }

    private static void answer(Context ctx, ErrorResponse response) {
        if (ctx.res().isCommitted()) {
            // Too late for a status. Ending the body cleanly would make half an answer look whole.
            throw new IllegalStateException("answer broke off: " + response.message());
        }
        if (response.code().status() == UNAVAILABLE) {
            ctx.header("Retry-After", RETRY_AFTER_SEC);
        }
        ctx.status(response.code().status())
                .contentType("application/json")
                .result(response.json());
    }

    /** Every answer names its request, so that a report can be found in the log. */
    private static void nameRequest(Context ctx) {
        var given = ctx.header(REQUEST_ID_HEADER);
        var id =
                given != null && REQUEST_ID.matcher(given).matches()
                        ? given
                        : UUID.randomUUID().toString();
        ctx.header(REQUEST_ID_HEADER, id);
    }

    private static String requestId(Context ctx) {
        return String.valueOf(ctx.res().getHeader(REQUEST_ID_HEADER));
    }

    /** Port it listens on. */
    public int port() {
        return http.port();
    }

    /** What it serves: method and path of each route. */
    List<String> routes() {
        return routes;
    }

    /** Keys and teams. */
    public ApiKeys keys() {
        return keys;
    }

    /** Makes a key for the team that exists from the start. */
    public Secret createKey(String name) {
        return keys.createDefault(name);
    }

    /** Stops serving; requests in flight get a moment to end. */
    @Override
    public void close() {
        feed.close(); // its streams would keep the listener waiting
        http.stop();
        sampling.close();
        builders.close();
        reconciliation.close();
    }
}
