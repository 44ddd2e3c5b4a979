package dev.wrenn.control.build;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Pause;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.ProcessEvent;
import dev.wrenn.contract.host.DiskSource;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.contract.host.ImportedDisk;
import dev.wrenn.control.build.BuildGuest.Order;
import dev.wrenn.control.capsule.BuildCapsules;
import dev.wrenn.control.capsule.BuildCapsules.Base;
import dev.wrenn.control.capsule.StockTemplates;
import dev.wrenn.control.capsule.TemplateDefaults;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/** Carries out one build, from its capsule to the template on the host. */
final class BuildRun {
    private static final Duration CLEAN_LIMIT = Duration.ofMinutes(2);

    private final Build build;
    private final BuildRows rows;
    private final BuildCapsules capsules;
    private final StepCache cache;
    private final BuildLog log;

    BuildRun(Build build, BuildRows rows, BuildCapsules capsules, StepCache cache, BuildLog log) {
        this.cache = cache;
        this.build = build;
        this.rows = rows;
        this.capsules = capsules;
        this.log = log;
    }

    /**
     * What a build has made.
     *
     * @param revision of a stock template; empty for others
     */
    record Made(HostTemplate template, TemplateDefaults defaults, String revision) {
        Made(HostTemplate template, TemplateDefaults defaults) {
            this(template, defaults, "");
        }
    }

    /**
     * Runs it; the capsule is gone afterwards if it succeeds, else the caller removes it.
     *
     * @throws BuildFailed if it never can succeed as it is
     */
    Made execute() {
        var spec = build.spec();
        var capsule = CapsuleId.random();
        var template = TemplateId.random();
        if (!rows.plan(build, capsule, template)) {
            throw new WrennException(Kind.CONFLICT, "the build is not this worker's any more");
        }
        if (spec.isStock()) {
            return makeStock(template);
        }
        if (spec.isImageOnly()) {
            var imported = pull(template);
            return new Made(imported.template(), BuildCapsules.defaultsOf(imported));
        }
        var origin = origin(template);
        var base = origin.base();
        var keys = spec.noCache() ? List.<String>of() : StepKeys.of(build, origin.name());
        var found = furthest(keys);
        capsules.create(
                capsule, found.map(f -> at(base, f)).orElse(base), spec.vcpus(), spec.memoryMb());
        TemplateDefaults defaults;
        try (var guest = new BuildGuest(() -> capsules.session(capsule))) {
            defaults = new Course(guest, capsule, keys, base).run(found);
        }
        if (!spec.image().isEmpty()) {
            capsules.discard(base.id());
        }
        var made =
                spec.check().isPresent()
                        ? capsules.keepSnapshot(capsule, template)
                        : capsules.keepDisk(capsule, template);
        return new Made(made, defaults);
    }

    /**
     * What a build starts from.
     *
     * @param name of the very content
     */
    private record Origin(Base base, String name) {}

    private Origin origin(TemplateId template) {
        var spec = build.spec();
        if (spec.image().isEmpty()) {
            var base = capsules.base(build.team(), spec.baseTemplate());
            return new Origin(base, base.id() + base.defaults().toJson());
        }
        var imported = pull(baseOf(template));
        var base = BuildCapsules.base(spec.image(), imported);
        return new Origin(base, imported.origin() + base.defaults().toJson());
    }

    private Optional<StepCache.Found> furthest(List<String> keys) {
        var found = cache.furthest(build.team(), keys);
        var lost = found.filter(f -> !capsules.isHeld(f.template()));
        lost.ifPresent(f -> cache.remove(f.template()));
        return lost.isPresent() ? Optional.empty() : found;
    }

    private static Base at(Base base, StepCache.Found found) {
        return new Base(
                found.template(),
                base.name(),
                true,
                found.vcpus(),
                found.memoryMb(),
                base.defaults());
    }

    /** The template that an image becomes while the recipe runs on it. */
    static TemplateId baseOf(TemplateId template) {
        return new TemplateId(
                UUID.nameUUIDFromBytes((template + "/base").getBytes(StandardCharsets.UTF_8)));
    }

    private ImportedDisk pull(TemplateId into) {
        var image = build.spec().image();
        return importDisk(into, new DiskSource.ContainerImage(image), Step.from(image));
    }

    private ImportedDisk importDisk(TemplateId into, DiskSource source, Step step) {
        var watch = Stopwatch.start();
        var said = new StringBuilder();
        var imported =
                capsules.importDisk(
                        into,
                        source,
                        text -> {
                            said.append(text).append('\n');
                            log.output(1, ProcessEvent.Channel.STDOUT, text + "\n");
                        });
        log.step(1, step, new BuildGuest.Outcome(0, said.toString(), ""), watch.elapsed());
        return imported;
    }

    /** Makes the disk unless the host has it as it would make it now, then boots the shape. */
    private Made makeStock(TemplateId planned) {
        var spec = build.spec();
        var stock = capsules.stock();
        var made =
                stock.current(spec.name())
                        .orElseGet(() -> {
                            var source = new DiskSource.Stock(spec.name());
                            var imported = importDisk(planned, source, Step.disk(spec.name()));
                            return new StockTemplates.Made(
                                    imported.template(),
                                    BuildCapsules.defaultsOf(imported),
                                    imported.origin());
                        });
        var watch = Stopwatch.start();
        log.note(
                "booting a machine with %d vCPU and %d MiB"
                        .formatted(spec.vcpus(), spec.memoryMb()));
        stock.warmUp(made.template().template(), spec.vcpus(), spec.memoryMb());
        log.step(
                2,
                Step.boot(spec.vcpus(), spec.memoryMb()),
                BuildGuest.Outcome.DONE,
                watch.elapsed());
        return new Made(made.template(), made.defaults(), made.revision());
    }

    /** The steps in a capsule, from the first one that no earlier build has done. */
    private final class Course {
        private final BuildGuest guest;
        private final CapsuleId capsule;
        private final List<String> keys;
        private final List<String> start;
        private final Steps steps;
        private Duration unsaved = Duration.ZERO;

        /**
         * @param keys of the steps' states; empty to keep none
         */
        Course(BuildGuest guest, CapsuleId capsule, List<String> keys, Base base) {
            this.guest = guest;
            this.capsule = capsule;
            this.keys = keys;
            this.start = base.defaults().start();
            this.steps = new Steps(guest, log, base.defaults());
        }

        TemplateDefaults run(Optional<StepCache.Found> found) {
            var spec = build.spec();
            int done = found.map(StepCache.Found::steps).orElse(0);
            found.ifPresentOrElse(f -> steps.restore(f.state()), steps::readEnvironment);
            if (spec.copies()) {
                unpack(guest);
            }
            int number = 0;
            for (var step : spec.steps()) {
                number++;
                if (!step.isFrom()) {
                    take(number, step, number <= done);
                }
            }
            if (spec.copies()) {
                guest.run(Order.asRoot("rm -rf \"$1\"", CLEAN_LIMIT, BuildGuest.FILES));
            }
            var defaults = steps.defaults(start);
            if (spec.check().isPresent() && !spec.starts()) {
                steps.launch(start);
            }
            spec.check().ifPresent(check -> awaitHealthy(guest, check, defaults));
            return defaults;
        }

        private void take(int number, Step step, boolean isDone) {
            if (isDone) {
                log.cached(number, step);
                return;
            }
            var watch = Stopwatch.start();
            steps.perform(number, step);
            unsaved = unsaved.plus(watch.elapsed());
            if (!keys.isEmpty()
                    && step.phase() != Step.Phase.POST_BUILD
                    && cache.isWorth(unsaved)) {
                var key = keys.get(number - 1);
                guest.apart(() -> cache.keep(build.team(), key, capsule, steps.state()));
                unsaved = Duration.ZERO;
            }
        }
    }

    private void unpack(BuildGuest guest) {
        try (var archive = new ArchiveParts(rows, build.id())) {
            var unpacked = guest.unpack(archive);
            if (!unpacked.isSuccess()) {
                throw new BuildFailed(
                        "the archive cannot be unpacked in the base template, which needs tar and"
                                + " gzip for COPY: "
                                + unpacked.stderr().strip());
            }
        } catch (IOException e) {
            throw new WrennException(Kind.UNAVAILABLE, "the archive cannot be read", e);
        }
    }

    private void awaitHealthy(BuildGuest guest, Healthcheck check, TemplateDefaults defaults) {
        var order =
                new Order(
                        List.of("/bin/sh", "-c", check.command()),
                        defaults.user(),
                        defaults.directory(),
                        defaults.environment(),
                        check.timeout());
        var quiet = Deadline.after(check.startPeriod());
        var failures = new int[1];
        var last = new BuildGuest.Outcome[] {BuildGuest.Outcome.DONE};
        boolean healthy =
                Pause.until(
                        () -> {
                            last[0] = guest.run(order);
                            if (!last[0].isSuccess() && quiet.isPast()) {
                                failures[0]++;
                            }
                            if (check.retries() > 0 && failures[0] > check.retries()) {
                                throw unhealthy(last[0]);
                            }
                            return last[0].isSuccess();
                        },
                        check.interval(),
                        Deadline.after(check.overallLimit()));
        if (!healthy) {
            throw unhealthy(last[0]);
        }
        log.note("healthy");
    }

    private static BuildFailed unhealthy(BuildGuest.Outcome last) {
        var said = (last.stdout() + last.stderr()).strip();
        return new BuildFailed(
                "the healthcheck never succeeded; its last exit code was %d%s"
                        .formatted(last.exitCode(), said.isEmpty() ? "" : ": " + said));
    }
}
