package dev.wrenn.control.capsule;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostCapsule;
import dev.wrenn.control.auth.Caller;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.event.Actor;
import dev.wrenn.control.event.EventKind;
import dev.wrenn.control.event.Events;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.operator.OperationTimer;
import dev.wrenn.control.operator.OperationTimer.Operation;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jdbi.v3.core.Jdbi;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What may be done with capsules, and what follows from it.
 *
 * <p>The host is the truth about a capsule; the row is what was last heard of it. A change goes to
 * the host first and its report is then applied to the row, by the same code that applies reports
 * nobody asked for. Destroying is the exception: the row is ended first, so that nothing that is in
 * flight can bring it back.
 */
public final class Capsules {
    private static final Logger LOG = LoggerFactory.getLogger(Capsules.class);
    static final List<String> ENDED = List.of("stopped", "error");
    private static final int DEFAULT_VCPUS = 1;
    private static final int DEFAULT_MEMORY_MB = 512;
    private static final String DEFAULT_TEMPLATE = "minimal";
    private static final String START_TAG = "start";

    private final CapsuleRows rows;
    private final Templates templates;
    private final StockTemplates stock;
    private final HostAgent host;
    private final ControlConfig config;
    private final Events events;
    private final InstantSource clock;
    private final OperationTimer timer;
    private final String serverRun = UUID.randomUUID().toString();
    private final Comparison comparison;

    /** Over that database and host. */
    public Capsules(
            Jdbi db,
            Templates templates,
            StockTemplates stock,
            HostAgent host,
            ControlConfig config,
            Events events,
            InstantSource clock,
            OperationTimer timer) {
        this.rows = new CapsuleRows(db);
        this.templates = templates;
        this.stock = stock;
        this.host = host;
        this.config = config;
        this.events = events;
        this.clock = clock;
        this.timer = timer;
        this.comparison = new Comparison(rows, host, this::apply, clock, serverRun);
    }

    /**
     * Creates a capsule; returns when it runs.
     *
     * @param stockBuilds makes the template if it is one of those that are made when wanted
     */
    CapsuleRow create(Caller caller, JsonBody body, StockBuilds stockBuilds) {
        var team = caller.team();
        var template = templates.resolve(team, body.text("template").orElse(DEFAULT_TEMPLATE));
        int vcpus = limited(body, "vcpus", DEFAULT_VCPUS, 1, config.maxVcpus());
        int memoryMb =
                limited(
                        body,
                        "memory_mb",
                        DEFAULT_MEMORY_MB,
                        config.minMemoryMb(),
                        config.maxMemoryMb());
        long timeoutSec = timeout(body).toSeconds();
        var environment = body.variables("envs");
        stock.require(template, vcpus, memoryMb, stockBuilds);
        var now = clock.instant();
        var row =
                new CapsuleRow(
                        CapsuleId.random(),
                        team,
                        template.name(),
                        template.id(),
                        Status.PENDING,
                        0,
                        template.isSnapshot() ? template.vcpus() : vcpus,
                        template.isSnapshot() ? template.memoryMb() : memoryMb,
                        timeoutSec,
                        new PortRules(body.flag("auto_resume"), body.flag("private_ports")),
                        "",
                        Map.of(),
                        "",
                        serverRun,
                        now,
                        Optional.empty(),
                        Optional.empty(),
                        now,
                        Optional.empty());
        insert(List.of(row), template.defaults());
        var order =
                new CreateCapsule(
                        row.id(),
                        row.template(),
                        row.vcpus(),
                        row.memoryMb(),
                        Duration.ofSeconds(timeoutSec),
                        template.defaults().with(environment));
        var start = template.defaults().start();
        return detached(
                Operation.CREATE,
                row.id(),
                noted(
                        EventKind.CAPSULE_CREATE,
                        caller,
                        row,
                        () -> createOnHost(row.id(), order, start)));
    }

    private void insert(List<CapsuleRow> pending, TemplateDefaults defaults) {
        if (!rows.insert(pending, defaults, config.capsulesPerTeam())) {
            throw new ApiException(
                    ErrorCode.QUOTA_EXCEEDED,
                    "the team may have %d capsules and %d more do not fit; destroy some first"
                            .formatted(config.capsulesPerTeam(), pending.size()));
        }
    }

    /** The inactivity limit a body asks for; zero for never. */
    public Duration timeout(JsonBody body) {
        long seconds = Math.max(0, body.number("timeout_sec").orElse(0));
        if (seconds > config.maxTimeoutSec()) {
            throw ApiException.invalid(
                    "timeout_sec must be at most " + config.maxTimeoutSec() + "; 0 means never");
        }
        return Duration.ofSeconds(seconds);
    }

    /**
     * Rows for capsules that are about to be forked off, all of them or none.
     *
     * @throws ApiException QUOTA_EXCEEDED if the team may not have that many more
     */
    public List<CapsuleId> insertForks(CapsuleRow parent, int count, Optional<Duration> timeout) {
        long timeoutSec = timeout.map(Duration::toSeconds).orElse(parent.timeoutSec());
        var pending =
                Stream.generate(CapsuleId::random)
                        .limit(count)
                        .map(child -> parent.forked(child, timeoutSec, serverRun, clock.instant()))
                        .toList();
        insert(pending, rows.defaultsOf(parent.id()));
        return pending.stream().map(CapsuleRow::id).toList();
    }

    /** Takes over that a capsule was started; empty if it was destroyed meanwhile, which wins. */
    public Optional<CapsuleRow> started(HostCapsule report) {
        apply(report);
        var row = require(report.capsule());
        if (row.status() == Status.STOPPED) {
            host.destroy(row.id());
            return Optional.empty();
        }
        return Optional.of(row);
    }

    /** Takes over that a capsule could not be started. */
    public void failed(CapsuleId id, String reason) {
        rows.end(id, Status.ERROR, reason, clock.instant(), ENDED);
    }

    /** Takes over what the host says of a capsule now. */
    public CapsuleRow refresh(CapsuleId id) {
        return applied(id, host.describe(id));
    }

    private CapsuleRow createOnHost(CapsuleId id, CreateCapsule order, List<String> start) {
        HostCapsule report;
        try {
            report = host.create(order);
        } catch (WrennException e) {
            rows.end(id, Status.ERROR, e.shownMessage(), clock.instant(), ENDED);
            throw e;
        }
        apply(report); // if the database is gone now, the next comparison does it
        launch(id, start);
        var row = require(id);
        if (row.status() == Status.STOPPED) {
            host.destroy(id); // destroyed while it was being created: that wins
            throw destroyedMeanwhile(id);
        }
        return row;
    }

    /** Names this process in the rows of capsules that it creates. */
    String serverRun() {
        return serverRun;
    }

    /** Runs the template's command; it is found by its tag and outlives this call. */
    private void launch(CapsuleId id, List<String> command) {
        if (command.isEmpty()) {
            return;
        }
        var order = ProcessStart.of(command.getFirst(), command.subList(1, command.size()));
        try (var guest = host.guest(id);
                var process = guest.start(order.tagged(START_TAG))) {
            process.next();
        } catch (WrennException e) {
            // The capsule is there and usable: its owner can look why and start it by hand.
            LOG.atWarn().setCause(e).addKeyValue("capsule", id).log("start command failed");
        }
    }

    private static ApiException destroyedMeanwhile(CapsuleId id) {
        return new ApiException(
                ErrorCode.INVALID_STATE, "capsule " + id + " was destroyed meanwhile");
    }

    /** The team's capsules that are not ended, newest first. */
    List<CapsuleRow> list(TeamId team) {
        return rows.listOf(team);
    }

    /**
     * A capsule of the team.
     *
     * @throws ApiException INVALID_REQUEST for a malformed id, NOT_FOUND for one of nobody or of
     *     another team
     */
    public CapsuleRow get(TeamId team, String id) {
        var parsed = parse(id);
        return rows.find(parsed)
                .filter(r -> r.team().equals(team))
                .orElseThrow(() ->
                        new ApiException(ErrorCode.NOT_FOUND, "there is no capsule " + parsed));
    }

    /**
     * Reads an id.
     *
     * @throws ApiException INVALID_REQUEST for a malformed one
     */
    public static CapsuleId parse(String id) {
        try {
            return new CapsuleId(id);
        } catch (IllegalArgumentException e) {
            throw ApiException.invalid("not a capsule id: " + e.getMessage());
        }
    }

    /** Pauses a running capsule; returns when its snapshot is durable. */
    CapsuleRow pause(Caller caller, String id) {
        var row = require(get(caller.team(), id), Status.RUNNING, "pause");
        return detached(
                Operation.PAUSE,
                row.id(),
                noted(
                        EventKind.CAPSULE_PAUSE,
                        caller,
                        row,
                        () -> applied(row.id(), host.pause(row.id()))));
    }

    /** Resumes a paused capsule; returns when its guest answers. */
    CapsuleRow resume(Caller caller, String id) {
        var row = require(get(caller.team(), id), Status.PAUSED, "resume");
        return detached(
                Operation.RESUME,
                row.id(),
                noted(
                        EventKind.CAPSULE_RESUME,
                        caller,
                        row,
                        () -> applied(row.id(), host.resume(row.id()))));
    }

    /** What clients are told of a capsule of any team; for events, which have a team themselves. */
    public Optional<ObjectNode> describe(String id) {
        return rows.find(new CapsuleId(id)).map(CapsuleRow::json);
    }

    /** A capsule of any team, for whoever needs no right to know it. */
    Optional<CapsuleRow> find(CapsuleId id) {
        return rows.find(id);
    }

    /**
     * Resumes a paused capsule because somebody wants in. A host that is just pausing it does that
     * first.
     */
    void resume(CapsuleId id) {
        var action =
                new Events.Action(
                        EventKind.CAPSULE_RESUME,
                        require(id).team(),
                        new Actor.Platform(),
                        id.text(),
                        Map.of("reason", "a request to one of its ports"));
        detached(Operation.RESUME, id, events.noted(action, () -> applied(id, host.resume(id))));
    }

    private <T> Callable<T> noted(
            EventKind kind, Caller caller, CapsuleRow row, Callable<T> operation) {
        var action = new Events.Action(kind, row.team(), Actor.of(caller), row.id().text());
        return events.noted(action, operation);
    }

    private CapsuleRow applied(CapsuleId id, HostCapsule report) {
        apply(report);
        var row = require(id);
        if (row.status() == Status.STOPPED) {
            throw destroyedMeanwhile(id);
        }
        return row;
    }

    /** Destroys a capsule from any state; one that is destroyed already is fine. */
    void destroy(Caller caller, String id) {
        var row = get(caller.team(), id);
        boolean isNews =
                rows.end(row.id(), Status.STOPPED, "", clock.instant(), List.of("stopped"));
        Callable<CapsuleRow> destroying =
                () -> {
                    host.destroy(row.id());
                    return row;
                };
        detached(
                Operation.DESTROY,
                row.id(),
                isNews ? noted(EventKind.CAPSULE_DESTROY, caller, row, destroying) : destroying);
    }

    /** Counts as activity. */
    void ping(TeamId team, String id) {
        var row = require(get(team, id), Status.RUNNING, "ping");
        host.ping(row.id());
        rows.touched(row.id(), clock.instant());
    }

    /** A conversation with a running capsule's guest; the caller closes it. */
    public GuestSession session(CapsuleRow row, String operation) {
        require(row, Status.RUNNING, operation);
        return host.guest(row.id());
    }

    /** The last lines of a running capsule's console. */
    String console(CapsuleRow row) {
        require(row, Status.RUNNING, "read the console of");
        return host.console(row.id());
    }

    /** Notes that a capsule was used. */
    public void touched(CapsuleId id) {
        rows.touched(id, clock.instant());
    }

    /** Makes a template of a capsule, which is paused then. */
    ObjectNode snapshot(Caller caller, JsonBody body, boolean overwrite) {
        var team = caller.team();
        var row = get(team, body.requiredText("sandbox_id"));
        if (row.status() != Status.RUNNING && row.status() != Status.PAUSED) {
            throw wrongState(row, "snapshot");
        }
        var name =
                body.text("name")
                        .orElseGet(
                                () -> "template-" + UUID.randomUUID().toString().substring(0, 8));
        templates.requireFree(team, name, overwrite);
        var defaults = rows.defaultsOf(row.id()).withoutStart();
        var action = new Events.Action(EventKind.SNAPSHOT_CREATE, team, Actor.of(caller), name);
        return detached(
                Operation.SNAPSHOT,
                row.id(),
                events.noted(
                        action,
                        () -> {
                            var made = templates.create(team, name, row.id(), defaults, overwrite);
                            applyIfThere(row.id());
                            return made;
                        }));
    }

    /** A capsule that was destroyed since it became a template leaves the template whole. */
    private void applyIfThere(CapsuleId id) {
        try {
            apply(host.describe(id));
        } catch (WrennException e) {
            if (e.kind() != Kind.ABSENT) {
                throw e;
            }
        }
    }

    /** Takes over what a host says of a capsule; states in between are not shown to clients. */
    void apply(HostCapsule report) {
        var status =
                switch (report.state()) {
                    case RUNNING -> Optional.of(Status.RUNNING);
                    case PAUSED -> Optional.of(Status.PAUSED);
                    case FAILED -> Optional.of(Status.ERROR);
                    case CREATING, PAUSING, RESUMING, DESTROYING, DESTROYED ->
                            Optional.<Status>empty();
                };
        status.ifPresent(s ->
                rows.apply(
                        report.capsule(),
                        s,
                        report.generation(),
                        report.vcpus(),
                        report.memoryMb(),
                        report.hostAddress(),
                        wireVersions(report.versions()),
                        report.reason(),
                        report.startedAt(),
                        report.lastActiveAt(),
                        clock.instant()));
    }

    /** The contract names the VMM's version after Firecracker, whatever runs. */
    private static Map<String, String> wireVersions(Map<String, String> versions) {
        var wire = new java.util.HashMap<>(versions);
        Optional.ofNullable(wire.remove("guest_agent_version"))
                .ifPresent(v -> wire.put("envd_version", v));
        return wire;
    }

    /** Compares what the rows say with what the host holds, and repairs both ways. */
    void reconcile() {
        comparison.run();
    }

    private CapsuleRow require(CapsuleId id) {
        return rows.find(id)
                .orElseThrow(() -> new WrennException(Kind.BUG, "row of " + id + " is gone"));
    }

    private static CapsuleRow require(CapsuleRow row, Status status, String operation) {
        if (row.status() != status) {
            throw wrongState(row, operation);
        }
        return row;
    }

    /** The refusal of an operation that a capsule's state forbids. */
    public static ApiException wrongState(CapsuleRow row, String operation) {
        return new ApiException(
                ErrorCode.INVALID_STATE,
                "cannot %s capsule %s: it is %s"
                        .formatted(operation, row.id(), row.status().wire()));
    }

    private static int limited(JsonBody body, String field, int fallback, int least, int most) {
        long asked = body.number(field).orElse(0);
        if (asked <= 0) {
            return fallback; // the contract: nothing, zero and less mean the default
        }
        if (asked < least || asked > most) {
            throw ApiException.invalid(
                    "%s must be %d to %d, not %d".formatted(field, least, most, asked));
        }
        return (int) asked;
    }

    /**
     * Runs a lifecycle operation on a thread of its own: a client that hangs up, or a request
     * thread that is interrupted, ends the waiting and not the operation.
     */
    private <T> T detached(Operation operation, CapsuleId id, Callable<T> work) {
        return Forks.detached(
                operation.name().toLowerCase(Locale.ROOT) + " " + id, timer.timed(operation, work));
    }
}
