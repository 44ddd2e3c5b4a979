package dev.wrenn.bench;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** What can be measured by itself; each has its place in SPECIFICATION.md. */
public enum Topic {
    /** Resume, create and pause of one capsule, next to what the VMM alone can do. */
    LIFECYCLE,
    /** Saving capsules that run, and forks. */
    CHECKPOINTS,
    /** Starts from different templates, and first cells of the code interpreter. */
    TEMPLATES,
    /** The pager against a page-fault handler in C. */
    FAULTS,
    /** What a capsule costs that does nothing. */
    IDLE,
    /** Many exec streams at once. */
    STREAMS,
    /** Requests per second, of the API and through the gateway. */
    THROUGHPUT,
    /** Work of all kinds for a long time. */
    ENDURANCE;

    /** Its name on the command line and in the specification. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Finds topics by their words; none means all.
     *
     * @throws WrennException {@code INVALID} for a word that is none
     */
    public static List<Topic> of(List<String> words) {
        if (words.isEmpty()) {
            return List.of(values());
        }
        return words.stream().map(Topic::of).distinct().sorted().toList();
    }

    private static Topic of(String word) {
        return Arrays.stream(values())
                .filter(topic -> topic.word().equals(word))
                .findFirst()
                .orElseThrow(() ->
                        new WrennException(
                                Kind.INVALID,
                                "there is nothing called \"%s\" to measure; there are %s"
                                        .formatted(
                                                word,
                                                Arrays.stream(values())
                                                        .map(Topic::word)
                                                        .collect(Collectors.joining(", ")))));
    }

    Measurement measurement(Bench bench) {
        return switch (this) {
            case LIFECYCLE -> new Lifecycle(bench.rounds());
            case CHECKPOINTS -> new Checkpoints();
            case TEMPLATES -> new TemplateStarts(bench.rounds());
            case FAULTS -> new Faults(bench.checkout());
            case IDLE -> new Idle();
            case STREAMS -> new Streams();
            case THROUGHPUT -> new Throughput();
            case ENDURANCE -> new Endurance(bench.endurance());
        };
    }
}
