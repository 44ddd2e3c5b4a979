package dev.wrenn.control.usage;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.JsonBody;
import java.time.InstantSource;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Jdbi;

/** What teams have reserved: live, as a curve, as peaks, and added up per day. */
public final class Usage {
    private static final Pattern DAY = Pattern.compile("\\d{4}-\\d{2}-\\d{2}");
    private static final int DEFAULT_DAYS = 30;
    private static final int LONGEST_SPAN_DAYS = 92;
    private static final double SECONDS_PER_MINUTE = 60;

    private final UsageRows rows;
    private final InstantSource clock;

    /** Over that database. */
    public Usage(Jdbi db, InstantSource clock) {
        this.rows = new UsageRows(db);
        this.clock = clock;
    }

    /**
     * Takes the sample of the present period of 10 seconds; one that is taken already, by whichever
     * server, stays as it is.
     */
    public void sample() {
        rows.sample(clock.instant());
    }

    /** Removes what is too old to be asked for. */
    public void prune() {
        rows.prune(clock.instant());
    }

    /** The number of the present period. */
    long period() {
        return UsageRows.slotOf(clock.instant());
    }

    /** See {@code GET /v1/capsules/stats}. */
    public ObjectNode stats(TeamId team, Optional<String> asked) {
        var range = asked.map(StatsRange::of).orElse(StatsRange.DEFAULT);
        var now = clock.instant();
        var current = rows.current(team);
        var peaks = rows.peaks(team, now.minus(UsageRows.HOURS_KEPT));
        var json = JsonBody.JSON.createObjectNode();
        json.put("range", range.wire());
        json.putObject("current")
                .put("running_count", current.running())
                .put("vcpus_reserved", current.vcpus())
                .put("memory_mb_reserved", current.memoryMb());
        json.putObject("peaks")
                .put("running_count", peaks.running())
                .put("vcpus", peaks.vcpus())
                .put("memory_mb", peaks.memoryMb());
        var series = json.putObject("series");
        var labels = series.putArray("labels");
        var running = series.putArray("running");
        var vcpus = series.putArray("vcpus");
        var memory = series.putArray("memory_mb");
        for (var bucket : rows.series(team, range, now)) {
            labels.add(bucket.start().toString());
            running.add(bucket.most().running());
            vcpus.add(bucket.most().vcpus());
            memory.add(bucket.most().memoryMb());
        }
        return json;
    }

    /** See {@code GET /v1/capsules/usage}. */
    public ObjectNode usage(TeamId team, Optional<String> from, Optional<String> to) {
        var today = LocalDate.ofInstant(clock.instant(), ZoneOffset.UTC);
        var last = to.map(t -> day("to", t)).orElse(today);
        var first = from.map(f -> day("from", f)).orElse(last.minusDays(DEFAULT_DAYS - 1L));
        if (first.isAfter(last)) {
            throw ApiException.invalid(
                    "from (%s) must not be after to (%s)".formatted(first, last));
        }
        if (ChronoUnit.DAYS.between(first, last) > LONGEST_SPAN_DAYS) {
            throw ApiException.invalid(
                    "from and to may be at most %d days apart; ask in several pieces"
                            .formatted(LONGEST_SPAN_DAYS));
        }
        var days = new ArrayList<>(rows.days(team, first, last));
        boolean isTodayAskedFor = !today.isBefore(first) && !today.isAfter(last);
        if (isTodayAskedFor && days.stream().noneMatch(d -> d.day().equals(today))) {
            days.add(new UsageRows.Day(today, 0, 0));
        }
        var json = JsonBody.JSON.createObjectNode();
        json.put("from", first.toString()).put("to", last.toString());
        var points = json.putArray("points");
        for (var day : days) {
            points.addObject()
                    .put("date", day.day().toString())
                    .put("cpu_minutes", day.vcpuSeconds() / SECONDS_PER_MINUTE)
                    .put("ram_mb_minutes", day.memoryMbSeconds() / SECONDS_PER_MINUTE);
        }
        return json;
    }

    private static LocalDate day(String parameter, String text) {
        try {
            if (DAY.matcher(text).matches()) {
                return LocalDate.parse(text);
            }
        } catch (DateTimeParseException _) {
            // such as the 31st of February: said below
        }
        throw ApiException.invalid(
                "%s must be a date such as 2026-01-31, not '%s'".formatted(parameter, text));
    }
}
