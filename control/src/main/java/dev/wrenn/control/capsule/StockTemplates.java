package dev.wrenn.control.capsule;

import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.contract.host.StockTemplate;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.capsule.TemplateRows.TemplateRow;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import java.time.InstantSource;
import java.util.Optional;
import java.util.function.Predicate;
import org.jdbi.v3.core.Jdbi;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Templates of the platform that the host makes when somebody wants them. Each has a row from the
 * start, so that people see it and no team takes its name; its revision says what it was made by.
 */
public final class StockTemplates {
    private static final Logger LOG = LoggerFactory.getLogger(StockTemplates.class);

    private final TemplateRows rows;
    private final HostAgent host;
    private final InstantSource clock;

    /** Over that database and host. */
    public StockTemplates(Jdbi db, HostAgent host, InstantSource clock) {
        this.rows = new TemplateRows(db);
        this.host = host;
        this.clock = clock;
    }

    /** How far a template is. */
    enum Status {
        /** Capsules can be made from it. */
        READY,
        /** It can be used, and is made anew with the next use. */
        OUTDATED,
        /** It is being made. */
        BUILDING,
        /** It is made when somebody wants it. */
        ABSENT
    }

    /** Gives a row to those that have none. */
    public void announce() {
        for (var stock : host.stock()) {
            rows.insert(
                    new TemplateRow(
                            TemplateId.random(),
                            TeamId.PLATFORM,
                            stock.name(),
                            false,
                            0,
                            0,
                            0,
                            clock.instant(),
                            TemplateDefaults.NONE,
                            ""));
        }
    }

    /** Whether the host can make a template of that name. */
    public boolean isStock(String name) {
        return host.stock().stream().anyMatch(s -> s.name().equals(name));
    }

    private Optional<StockTemplate> find(TemplateRow row) {
        return host.stock().stream()
                .filter(s -> row.team().equals(TeamId.PLATFORM) && s.name().equals(row.name()))
                .findFirst();
    }

    /** How far a template is; all that are no stock are ready. */
    Status status(TemplateRow row, StockBuilds builds) {
        var stock = find(row);
        if (stock.isEmpty()) {
            return Status.READY;
        }
        if (isMade(row)) {
            return row.revision().equals(stock.get().revision()) ? Status.READY : Status.OUTDATED;
        }
        return builds.underWay().contains(row.name()) ? Status.BUILDING : Status.ABSENT;
    }

    /** A host that lost its disk has nothing of what the rows say. */
    private boolean isMade(TemplateRow row) {
        return !row.revision().isEmpty() && held(row.id()).isPresent();
    }

    private Optional<HostTemplate> held(TemplateId id) {
        return host.templates().stream().filter(t -> t.template().equals(id)).findFirst();
    }

    /**
     * Lets a capsule of that shape be made from a template, or says when it can be: clients do not
     * wait as long as it takes to make a template.
     *
     * @throws ApiException TEMPLATE_NOT_READY if it is being made from now on, AGENT_ERROR if that
     *     failed a moment ago, INVALID_REQUEST if the shape is too small for it
     */
    void require(TemplateRow row, int vcpus, int memoryMb, StockBuilds builds) {
        var found = find(row);
        if (found.isEmpty()) {
            return;
        }
        var stock = found.get();
        if (memoryMb < stock.leastMemoryMb()) {
            throw ApiException.invalid(
                    "template %s needs a memory_mb of at least %d"
                            .formatted(row.name(), stock.leastMemoryMb()));
        }
        boolean isUsable =
                isMade(row) && (!stock.runsPrograms() || host.isWarm(row.id(), vcpus, memoryMb));
        boolean isCurrent = row.revision().equals(stock.revision());
        if (isUsable && isCurrent) {
            return;
        }
        var asked = builds.ask(row.name(), vcpus, memoryMb);
        if (!isUsable) {
            throw notReady(row.name(), asked);
        }
        asked.failure()
                .ifPresent(why ->
                        LOG.atWarn()
                                .addKeyValue("template", row.name())
                                .addKeyValue("reason", why)
                                .log("a stock template is outdated and cannot be made anew"));
    }

    /** Lets a build start from a template; it boots any shape itself. */
    void requireMade(TemplateRow row, int vcpus, int memoryMb, StockBuilds builds) {
        if (find(row).isPresent() && !isMade(row)) {
            throw notReady(row.name(), builds.ask(row.name(), vcpus, memoryMb));
        }
    }

    private static ApiException notReady(String name, StockBuilds.Asked asked) {
        return asked.failure()
                .map(why ->
                        new ApiException(
                                ErrorCode.AGENT_ERROR,
                                "template %s cannot be made (build %s; tried again in a minute): %s"
                                        .formatted(name, asked.build(), why)))
                .orElseGet(() ->
                        new ApiException(
                                ErrorCode.TEMPLATE_NOT_READY,
                                ("template %s is being made ready for this, which takes minutes the"
                                                + " first time; follow build %s with `wrenn template"
                                                + " build %s` or GET /v1/builds/%s/logs?follow=true,"
                                                + " then create again")
                                        .formatted(name, asked.build(), name, asked.build())));
    }

    /** The template of that name if the host holds it as it would make it now. */
    public Optional<Made> current(String name) {
        Predicate<TemplateRow> isCurrent =
                row ->
                        find(row)
                                .filter(stock -> row.revision().equals(stock.revision()))
                                .isPresent();
        return rows.visible(TeamId.PLATFORM, name)
                .filter(isCurrent)
                .flatMap(row ->
                        held(row.id())
                                .map(template ->
                                        new Made(template, row.defaults(), row.revision())));
    }

    /** Has a shape booted that was not yet. */
    public void warmUp(TemplateId template, int vcpus, int memoryMb) {
        host.warmUp(template, vcpus, memoryMb);
    }

    /** A stock template that the host holds. */
    public record Made(HostTemplate template, TemplateDefaults defaults, String revision) {}

    /** Puts a template in place; the one that had its name goes, capsules made from it live on. */
    public void register(String name, Made made) {
        var id = made.template().template();
        if (rows.isStored(id)) {
            return;
        }
        rows.put(
                        new TemplateRow(
                                id,
                                TeamId.PLATFORM,
                                name,
                                false,
                                0,
                                0,
                                made.template().sizeBytes(),
                                clock.instant(),
                                made.defaults(),
                                made.revision()))
                .ifPresent(host::deleteTemplate);
    }
}
