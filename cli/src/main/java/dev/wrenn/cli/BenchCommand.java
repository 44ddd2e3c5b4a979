package dev.wrenn.cli;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.bench.Bench;
import dev.wrenn.bench.Topic;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.cli.folder.FolderLock;
import dev.wrenn.cli.terminal.TerminalProgress;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Measures what the specification promises. */
@Command(
        name = "bench",
        description = "Measures what SPECIFICATION.md promises, as ratios inside one run.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Results are written to bench/results as JSON and Markdown. Takes some minutes, the",
            "first time on a data folder longer. A busy machine makes worse numbers.",
            "Exit code: 0, or with --check 1 if a promise is broken."
        })
final class BenchCommand implements Callable<Integer> {
    @Parameters(
            paramLabel = "TOPIC",
            arity = "0..*",
            description = {
                "What to measure: lifecycle, checkpoints, templates, faults, idle, streams,",
                "throughput, endurance.",
                "Default: everything"
            })
    private List<String> topics = List.of();

    @Option(
            names = "--dir",
            paramLabel = "DIR",
            defaultValue = "/var/lib/wrenn-bench",
            description = "Data folder of its own, kept between runs. Default: ${DEFAULT-VALUE}")
    private Path directory = Path.of("/var/lib/wrenn-bench");

    @Option(
            names = "--rounds",
            paramLabel = "N",
            defaultValue = "10",
            description = "How often what is short is measured. Default: ${DEFAULT-VALUE}")
    private int rounds;

    @Option(
            names = "--minutes",
            paramLabel = "N",
            defaultValue = "2",
            description = "How long the endurance goes on. Default: ${DEFAULT-VALUE}")
    private int minutes;

    @Option(names = "--check", description = "Fail if a promise is broken")
    private boolean check;

    @Option(names = "--specification", description = "Put the values into SPECIFICATION.md")
    private boolean specification;

    @Option(names = "--json", description = "Print JSON instead of the table")
    private boolean json;

    @Override
    public Integer call() {
        if (rounds < 1) {
            throw new WrennException(Kind.INVALID, "--rounds must be at least 1");
        }
        if (minutes < 1) {
            throw new WrennException(Kind.INVALID, "--minutes must be at least 1");
        }
        var chosen = Topic.of(topics);
        var folder = DataFolder.open(directory.toAbsolutePath().normalize());
        Logging.alsoTo(folder.logs());
        try (var _ = FolderLock.take(folder)) {
            var outcome =
                    new Bench(
                                    folder.path(),
                                    fromScript("wrenn.checkout"),
                                    fromScript("wrenn.guest-files"),
                                    rounds,
                                    Duration.ofMinutes(minutes))
                            .run(
                                    chosen,
                                    InstantSource.system(),
                                    TerminalProgress.onStandardError(),
                                    specification);
            System.out.println(json ? outcome.json() : outcome.table());
            System.err.println("Written to " + outcome.file());
            return check && !outcome.allKept() ? 1 : 0;
        }
    }

    private static Path fromScript(String property) {
        var value = System.getProperty(property, "");
        if (value.isEmpty()) {
            throw new WrennException(Kind.INVALID, "start this with ./wrenn bench");
        }
        return Path.of(value);
    }
}
