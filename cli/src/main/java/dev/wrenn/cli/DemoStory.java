package dev.wrenn.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.errorprone.annotations.FormatMethod;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.linux.ProcessIdentity;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * One capsule's life told through the public API: created, filled, paused, resumed, looked at. The
 * capsule is destroyed in the end, however the story ends.
 */
final class DemoStory implements Resource {
    private static final Duration LIFECYCLE_LIMIT = Duration.ofMinutes(5);
    private static final int EXEC_SECONDS = 120;
    private static final Duration EXEC_LIMIT = Duration.ofSeconds(EXEC_SECONDS + 10);
    private static final String NOTE = "/root/note.txt";
    private static final String NOTE_TEXT = "written before the pause";

    private final ApiClient api;
    private final String vmmName;
    private final Consumer<String> tell;
    private final Map<String, Boolean> checks = new LinkedHashMap<>();
    private String capsule = "";

    /** A result and how long it took. */
    private record Timed<T>(T value, long millis) {
        static <T> Timed<T> of(Supplier<T> work) {
            var watch = Stopwatch.start();
            var value = work.get();
            return new Timed<>(value, watch.elapsed().toMillis());
        }
    }

    DemoStory(ApiClient api, String vmmName, Consumer<String> tell) {
        this.api = api;
        this.vmmName = vmmName;
        this.tell = tell;
    }

    DemoReport run() {
        var created = Timed.of(() -> api.post("/v1/capsules", Map.of(), LIFECYCLE_LIMIT));
        capsule = created.value().path("id").asText();
        check("created", created.value().path("status").asText().equals("running"));
        say("created %s in %d ms", capsule, created.millis());

        long witness = startWitness();
        var before = ask(witness);
        check("memory_filled", before.checksum().equals(Witness.expectedChecksum()));
        say(
                "process %d counts (at %d) and holds 64 MiB of a known pattern",
                witness, before.count());
        exec("printf '%s' '" + NOTE_TEXT + "' > " + NOTE);
        var vmm = VmmProcesses.of(capsule);
        check("vmm_seen", vmm.isPresent());

        var paused = Timed.of(() -> api.post(path("/pause"), Map.of(), LIFECYCLE_LIMIT));
        check("paused", paused.value().path("status").asText().equals("paused"));
        check("vmm_gone", vmm.isPresent() && !vmm.get().isAlive());
        say("paused in %d ms; VMM process %s is gone", paused.millis(), shown(vmm));

        var resumed = Timed.of(() -> api.post(path("/resume"), Map.of(), LIFECYCLE_LIMIT));
        var fresh = VmmProcesses.of(capsule);
        check("resumed", resumed.value().path("status").asText().equals("running"));
        check("vmm_fresh", fresh.isPresent() && !fresh.equals(vmm));
        say("resumed in %d ms as VMM process %s", resumed.millis(), shown(fresh));

        lookAround(witness, before);
        return report(created.millis(), paused, resumed.millis());
    }

    private void lookAround(long witness, Witness.Testimony before) {
        var after = ask(witness);
        check("same_process", after.run().equals(before.run()));
        check("memory_intact", after.checksum().equals(before.checksum()));
        check("counter_kept", after.count() >= before.count());
        var later = ask(witness);
        check("counter_goes_on", later.count() > after.count());
        say(
                "the counter went from %d to %d and on to %d, the checksum is %s",
                before.count(),
                after.count(),
                later.count(),
                after.checksum().equals(before.checksum()) ? "equal" : "DIFFERENT");
        check("file_there", exec("cat " + NOTE).equals(NOTE_TEXT));
    }

    private DemoReport report(long createMillis, Timed<JsonNode> paused, long resumeMillis) {
        var now = api.get("/v1/capsules/" + capsule, EXEC_LIMIT).path("metadata");
        var numbers = new Numbers(now);
        var layers = new Numbers(paused.value().path("metadata"));
        long coldBoot = numbers.of("cold_boot_ms");
        long faults = numbers.of("faults");
        long prefetched = numbers.of("prefetched_pages");
        long layerBytes = layers.of("layer_bytes");
        check("numbers_reported", numbers.areAllThere && layers.areAllThere);
        say(
                "%d faults served, %d pages prefetched, %.1f MiB written by the pause",
                faults, prefetched, layerBytes / 1048576.0);
        say(
                "cold boot %d ms, resume %d ms: %.0f times faster",
                coldBoot, resumeMillis, coldBoot / (double) Math.max(1, resumeMillis));
        return new DemoReport(
                !checks.containsValue(false),
                vmmName,
                new LinkedHashMap<>(checks),
                coldBoot,
                createMillis,
                paused.millis(),
                resumeMillis,
                faults,
                prefetched,
                layerBytes);
    }

    /** Numbers that a host reports as texts in a capsule's metadata. */
    private static final class Numbers {
        private final JsonNode metadata;
        private boolean areAllThere = true;

        Numbers(JsonNode metadata) {
            this.metadata = metadata;
        }

        long of(String name) {
            var text = metadata.path(name).asText();
            if (text.isEmpty()) {
                areAllThere = false;
                return 0;
            }
            return Long.parseLong(text);
        }
    }

    private long startWitness() {
        exec("cat > %s <<'END'%n%sEND".formatted(Witness.FILE, Witness.PROGRAM));
        var started =
                api.post(
                        path("/exec"),
                        Map.of(
                                "cmd",
                                "python3",
                                "args",
                                List.of(Witness.FILE),
                                "background",
                                true,
                                "tag",
                                "witness"),
                        EXEC_LIMIT);
        exec(Witness.awaitReady());
        return started.path("pid").asLong();
    }

    private Witness.Testimony ask(long witness) {
        return Witness.Testimony.parse(exec(Witness.ask(witness)));
    }

    private String exec(String line) {
        var answer =
                api.post(
                        path("/exec"),
                        Map.of(
                                "cmd",
                                "/bin/sh",
                                "args",
                                List.of("-c", line),
                                "timeout_sec",
                                EXEC_SECONDS),
                        EXEC_LIMIT);
        if (answer.path("exit_code").asInt(-1) != 0) {
            throw new WrennException(
                    Kind.UNAVAILABLE,
                    "a command in the capsule ended with %d: %s"
                            .formatted(
                                    answer.path("exit_code").asInt(-1),
                                    answer.path("stderr").asText().strip()));
        }
        return answer.path("stdout").asText();
    }

    private String path(String rest) {
        return "/v1/capsules/" + capsule + rest;
    }

    private void check(String name, boolean holds) {
        checks.put(name, holds);
        if (!holds) {
            tell.accept("FAILED: " + name);
        }
    }

    @FormatMethod
    private void say(String format, Object... values) {
        tell.accept(format.formatted(values));
    }

    private static String shown(Optional<ProcessIdentity> process) {
        return process.map(p -> Long.toString(p.pid())).orElse("(not found)");
    }

    @Override
    public void close() {
        if (!capsule.isEmpty()) {
            // An interrupted demo cleans up too.
            boolean wasInterrupted = Thread.interrupted();
            api.delete("/v1/capsules/" + capsule, LIFECYCLE_LIMIT);
            if (wasInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
