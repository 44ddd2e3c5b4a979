package dev.wrenn.bench;

import dev.wrenn.base.Command;
import dev.wrenn.base.Progress;
import dev.wrenn.base.WrennException;
import dev.wrenn.bench.Report.Section;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Measures what SPECIFICATION.md promises.
 *
 * @param folder data folder of its own, kept between runs; short, because sockets lie in it
 * @param checkout of the sources, whose yardsticks in C are compiled
 * @param guestFiles folder with the built guest agent and shim
 * @param rounds how often what is short is measured, at least 1
 * @param endurance how long {@link Topic#ENDURANCE} goes on
 */
public record Bench(Path folder, Path checkout, Path guestFiles, int rounds, Duration endurance) {
    private static final Pattern PROCESSOR = Pattern.compile("(?m)^model name\\s*: (.*)$");
    private static final Pattern MEMORY = Pattern.compile("(?m)^MemTotal: +([0-9]+) kB$");

    /**
     * What a run found.
     *
     * @param table for people, in Markdown
     * @param json for programs
     * @param file where it was written, with the table beside it
     * @param allKept whether every promise was kept
     */
    public record Outcome(String table, String json, Path file, boolean allKept) {}

    /**
     * Measures, which takes minutes, and writes {@code bench/results} in the checkout.
     *
     * @param topics what to measure
     * @param intoSpecification whether SPECIFICATION.md gets the measured values as well
     * @throws WrennException if something cannot be measured on this machine
     */
    public Outcome run(
            List<Topic> topics, InstantSource clock, Progress progress, boolean intoSpecification) {
        try (var lab = Laboratory.open(folder, checkout, guestFiles, progress)) {
            var machine = machine(lab);
            var sections = new ArrayList<Section>();
            for (var topic : topics) {
                var rows = topic.measurement(this).take(lab, progress);
                sections.add(new Section(topic.word(), rows));
            }
            var at = clock.instant().truncatedTo(ChronoUnit.SECONDS).toString();
            var report = new Report(Report.SCHEMA, at, machine, rounds, sections);
            var file = report.write(checkout.resolve("bench/results"));
            if (intoSpecification) {
                report.writeInto(checkout.resolve("SPECIFICATION.md"));
            }
            return new Outcome(report.markdown(), report.json(), file, report.allKept());
        }
    }

    private Map<String, String> machine(Laboratory lab) {
        var facts = new LinkedHashMap<String, String>();
        facts.put("VMM", lab.host().describe().vmm());
        facts.put("processor", first(PROCESSOR, read("/proc/cpuinfo")));
        facts.put("cores", Integer.toString(Runtime.getRuntime().availableProcessors()));
        facts.put(
                "memory MiB",
                Long.toString(Long.parseLong(first(MEMORY, read("/proc/meminfo"))) >> 10));
        facts.put("kernel", read("/proc/sys/kernel/osrelease").strip());
        facts.put("load before", read("/proc/loadavg").split(" ", 2)[0]);
        facts.put("commit", commit());
        return facts;
    }

    private String commit() {
        var git =
                Command.of("git", "-C", checkout.toString(), "describe", "--always", "--dirty")
                        .tryRun();
        return git.isSuccess() ? git.stdout().strip() : "unknown";
    }

    private static String first(Pattern pattern, String text) {
        var matcher = pattern.matcher(text);
        return matcher.find() ? matcher.group(1) : "0";
    }

    private static String read(String file) {
        try {
            return Files.readString(Path.of(file));
        } catch (IOException e) {
            throw BenchFailed.because("cannot read " + file, e);
        }
    }
}
