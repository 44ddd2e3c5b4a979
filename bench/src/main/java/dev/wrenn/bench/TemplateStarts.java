package dev.wrenn.bench;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Progress;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.bench.Row.Bound;
import dev.wrenn.contract.CapsuleId;
import java.net.http.HttpClient;
import java.util.ArrayList;
import java.util.List;

/**
 * How soon capsules of different templates are there, and how soon the code interpreter answers.
 *
 * @param rounds how often each is measured, at least 1
 */
record TemplateStarts(int rounds) implements Measurement {
    private static final String MINIMAL = "minimal";
    private static final String INTERPRETER = "code-runner-beta";
    private static final List<String> STOCK = List.of("base-python", "base-node", INTERPRETER);
    private static final String LARGE = "bench-large";
    private static final String FILL = "RUN head -c 1G /dev/urandom > /srv/large";
    private static final double MAX_CREATE_RATIO = 1.2;
    private static final double MAX_LARGE_RATIO = 1.3;
    private static final double MAX_CELL_RATIO = 2;

    @Override
    public List<Row> take(Laboratory lab, Progress progress) {
        var rows = new ArrayList<Row>();
        var api = lab.api();
        for (var template : STOCK) {
            try (var step = progress.start("Making " + template, 0)) {
                api.build(template, List.of());
                step.done();
            }
            rows.add(create(lab, progress, template));
        }
        rows.add(firstCell(lab, progress));
        try (var step = progress.start("Making a template with a disk of 1 GiB", 0)) {
            api.build(LARGE, List.of(FILL));
            step.done();
        }
        try {
            rows.add(large(lab, progress));
        } finally {
            api.deleteTemplate(LARGE);
        }
        return rows;
    }

    private Row create(Laboratory lab, Progress progress, String template) {
        var series = new Series();
        var api = lab.api();
        api.destroy(api.createFrom(template).id()); // boots its shape
        try (var step = progress.start("Starting " + template, rounds)) {
            for (int round = 0; round < rounds; round++) {
                var created = api.createFrom(template);
                series.add("create", created.millis());
                api.pause(created.id());
                series.add("resume", api.resume(created.id()).millis());
                api.destroy(created.id());
                step.advance(1);
            }
            step.done();
        }
        return Row.ratio(
                "create-" + template,
                "create from `%s` against a resume of the same".formatted(template),
                "≤ 1.2 ×",
                series.median("create") / series.median("resume"),
                Bound.AT_MOST,
                MAX_CREATE_RATIO,
                Row.details(
                        "create ms", series.shown("create"), "resume ms", series.shown("resume")));
    }

    private Row firstCell(Laboratory lab, Progress progress) {
        var series = new Series();
        var api = lab.api();
        try (var step = progress.start("Running first cells", rounds);
                var http = HttpClient.newHttpClient()) {
            for (int round = 0; round < rounds; round++) {
                var one = api.createFrom(INTERPRETER).id();
                var watch = Stopwatch.start();
                api.shell(one, "echo hello");
                series.add("exec", watch.elapsedNanos() / 1e6);
                api.destroy(one);
                var other = api.createFrom(INTERPRETER).id();
                var address = lab.host().describe(new CapsuleId(other)).hostAddress();
                series.add("first", cell(http, address));
                series.add("second", cell(http, address));
                api.destroy(other);
                step.advance(1);
            }
            step.done();
        }
        return Row.ratio(
                "first-cell",
                "first cell of the code interpreter after a create against a first exec",
                "≤ 2 ×",
                series.median("first") / series.median("exec"),
                Bound.AT_MOST,
                MAX_CELL_RATIO,
                Row.details(
                        "first cell ms", series.shown("first"),
                        "second cell ms", series.shown("second"),
                        "first exec ms", series.shown("exec")));
    }

    private static double cell(HttpClient http, String address) {
        var watch = Stopwatch.start();
        var printed = Cell.run(http, address, "print(6 * 7)");
        double millis = watch.elapsedNanos() / 1e6;
        if (!printed.strip().equals("42")) {
            throw new WrennException(Kind.UNAVAILABLE, "a cell printed " + printed);
        }
        return millis;
    }

    private Row large(Laboratory lab, Progress progress) {
        var series = new Series();
        var api = lab.api();
        for (var template : List.of(MINIMAL, LARGE)) {
            api.destroy(api.createFrom(template).id()); // boots its shape
        }
        try (var step = progress.start("Starting small and large", rounds)) {
            for (int round = 0; round < rounds; round++) {
                for (var template : List.of(MINIMAL, LARGE)) {
                    var created = api.createFrom(template);
                    series.add(template, created.millis());
                    api.destroy(created.id());
                }
                step.advance(1);
            }
            step.done();
        }
        return Row.ratio(
                "create-large",
                "create from a template with 1 GiB more on its disk against `minimal`",
                "≤ 1.3 ×",
                series.median(LARGE) / series.median(MINIMAL),
                Bound.AT_MOST,
                MAX_LARGE_RATIO,
                Row.details(
                        "with 1 GiB more ms", series.shown(LARGE),
                        "minimal ms", series.shown(MINIMAL)));
    }
}
