package dev.wrenn.control.build;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.build.BuildLogRows.Numbered;
import dev.wrenn.control.capsule.BuildCapsules;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.control.capsule.StockBuilds;
import dev.wrenn.control.capsule.TemplateDefaults;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.JsonBody;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jdbi.v3.core.Jdbi;

/** What may be done with builds. */
public final class Builds implements StockBuilds {
    private static final int LISTED = 200;
    private static final int PART_BYTES = 1 << 20;

    private final BuildRows rows;
    private final BuildLogRows logs;
    private final BuildCapsules capsules;
    private final ControlConfig limits;
    private final BuildConfig config;
    private final InstantSource clock;

    /** Over that database. */
    public Builds(
            Jdbi db,
            BuildCapsules capsules,
            ControlConfig limits,
            BuildConfig config,
            InstantSource clock) {
        this.rows = new BuildRows(db);
        this.logs = new BuildLogRows(db);
        this.capsules = capsules;
        this.limits = limits;
        this.config = config;
        this.clock = clock;
    }

    /** Longest archive that is taken. */
    long maxArchiveBytes() {
        return config.maxArchiveBytes();
    }

    /**
     * Queues a build.
     *
     * @param archive what COPY takes from
     */
    ObjectNode submit(TeamId team, JsonBody body, Optional<Archive> archive) {
        if (isStock(body)) {
            return queueStock(body.requiredText("name"), shape(body)).json(List.of());
        }
        var spec = BuildSpec.of(body, shape(body));
        capsules.requireFree(team, spec.name(), spec.overwrite());
        if (spec.image().isEmpty()) {
            capsules.requireMade(team, spec.baseTemplate(), spec.vcpus(), spec.memoryMb(), this);
        }
        if (spec.copies() && archive.isEmpty()) {
            throw ApiException.invalid("COPY needs an archive; send the form field archive");
        }
        var build = pending(team, spec, archive.map(Archive::contentsJson).orElse("{}"));
        if (!rows.insert(
                build, archive.map(Builds::parts).orElse(List.of()), config.unfinishedPerTeam())) {
            throw new ApiException(
                    ErrorCode.QUOTA_EXCEEDED,
                    "the team has %d unfinished builds; wait for some or cancel them"
                            .formatted(config.unfinishedPerTeam()));
        }
        return build.json(List.of());
    }

    private Build pending(TeamId team, BuildSpec spec, String contents) {
        return new Build(
                BuildId.random(),
                team,
                spec,
                contents,
                BuildStatus.PENDING,
                0,
                "",
                Optional.empty(),
                Optional.empty(),
                false,
                0,
                0,
                TemplateDefaults.NONE,
                clock.instant(),
                Optional.empty(),
                Optional.empty());
    }

    /** Nothing but the name of what the host can make itself. */
    private boolean isStock(JsonBody body) {
        return body.texts("recipe").isEmpty()
                && body.text("image").isEmpty()
                && body.text("base_template").isEmpty()
                && capsules.stock().isStock(body.requiredText("name"));
    }

    private Build queueStock(String name, BuildSpec.Shape shape) {
        return rows.insertOrFind(pending(TeamId.PLATFORM, BuildSpec.stock(name, shape), "{}"));
    }

    @Override
    public Asked ask(String name, int vcpus, int memoryMb) {
        var shape = new BuildSpec.Shape(vcpus, memoryMb);
        var failed =
                rows.newestOf(TeamId.PLATFORM, name)
                        .filter(b -> b.status() == BuildStatus.FAILED)
                        .filter(b -> b.spec().shape().equals(shape))
                        .filter(b -> b.completedAt().stream().anyMatch(this::isRecent));
        return failed.map(b -> new Asked(b.id().text(), Optional.of(b.error())))
                .orElseGet(() -> new Asked(queueStock(name, shape).id().text(), Optional.empty()));
    }

    private boolean isRecent(Instant end) {
        return end.plus(config.retryAfter()).isAfter(clock.instant());
    }

    @Override
    public Set<String> underWay() {
        return rows.unfinishedNames(TeamId.PLATFORM);
    }

    private BuildSpec.Shape shape(JsonBody body) {
        return new BuildSpec.Shape(
                within(body, "vcpus", 1, 1, limits.maxVcpus()),
                within(body, "memory_mb", 512, limits.minMemoryMb(), limits.maxMemoryMb()));
    }

    private static int within(JsonBody body, String field, int fallback, int least, int most) {
        long asked = body.number(field).orElse(0);
        if (asked <= 0) {
            return fallback;
        }
        if (asked < least || asked > most) {
            throw ApiException.invalid(
                    "%s must be %d to %d, not %d".formatted(field, least, most, asked));
        }
        return (int) asked;
    }

    private static Iterable<byte[]> parts(Archive archive) {
        return () -> new Parts(archive);
    }

    /** A file in pieces. */
    private static final class Parts implements Iterator<byte[]> {
        private final InputStream in;
        private byte[] next;

        Parts(Archive archive) {
            try {
                in = Files.newInputStream(archive.file());
            } catch (IOException e) {
                throw unreadable(e);
            }
            next = read();
        }

        private byte[] read() {
            try {
                var bytes = in.readNBytes(PART_BYTES);
                if (bytes.length == 0) {
                    in.close();
                }
                return bytes;
            } catch (IOException e) {
                throw unreadable(e);
            }
        }

        @Override
        public boolean hasNext() {
            return next.length > 0;
        }

        @Override
        public byte[] next() {
            if (!hasNext()) {
                throw new java.util.NoSuchElementException("no part is left");
            }
            var part = next;
            next = read();
            return part;
        }

        private static WrennException unreadable(IOException cause) {
            return new WrennException(Kind.UNAVAILABLE, "the archive cannot be read", cause);
        }
    }

    /** The team's builds, newest first; without what they said. */
    List<ObjectNode> list(TeamId team) {
        return rows.listOf(team, LISTED).stream().map(b -> b.json(List.of())).toList();
    }

    /** A build with the entries of its steps. */
    ObjectNode get(TeamId team, String id) {
        var build = require(team, id);
        return build.json(logs.entries(build));
    }

    /** What a build said behind that line. */
    List<Numbered> logAfter(BuildId id, long seq, int most) {
        return logs.after(id, seq, most);
    }

    /** A build of the team, or one that makes a template for all. */
    Build require(TeamId team, String id) {
        BuildId parsed;
        try {
            parsed = new BuildId(id);
        } catch (IllegalArgumentException e) {
            throw ApiException.invalid("not a build id: " + e.getMessage());
        }
        return rows.find(parsed)
                .filter(b -> b.team().equals(team) || b.team().equals(TeamId.PLATFORM))
                .orElseThrow(
                        () -> new ApiException(ErrorCode.NOT_FOUND, "there is no build " + parsed));
    }

    /** Ends a build that has not come to its end; its worker clears away what it made. */
    void cancel(TeamId team, String id) {
        var build = require(team, id);
        if (!build.team().equals(team)) {
            throw new ApiException(
                    ErrorCode.FORBIDDEN, "others may wait for a template of the platform too");
        }
        var cancelled =
                rows.cancel(build.id())
                        .orElseThrow(() ->
                                ApiException.invalid(
                                        "build %s cannot be cancelled: it is %s"
                                                .formatted(
                                                        build.id(),
                                                        build.status().isFinal()
                                                                ? build.status().wire()
                                                                : "about to succeed")));
        cancelled.capsule().ifPresent(capsules::destroy);
    }
}
