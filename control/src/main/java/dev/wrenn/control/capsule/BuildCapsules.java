package dev.wrenn.control.capsule;

import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.GuestSession;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.DiskSource;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.contract.host.ImportedDisk;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.capsule.TemplateRows.TemplateRow;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jdbi.v3.core.Jdbi;

/**
 * Capsules that build templates, and the templates that become of them. They belong to the
 * platform: no team sees them or pays for them, but they are in the table of capsules like all
 * others, so that whoever compares that table with the host knows that they are wanted.
 */
public final class BuildCapsules {
    private final CapsuleRows rows;
    private final TemplateRows templateRows;
    private final Capsules capsules;
    private final Templates templates;
    private final StockTemplates stock;
    private final HostAgent host;
    private final InstantSource clock;

    /** Over that database and host. */
    public BuildCapsules(
            Jdbi db,
            Capsules capsules,
            Templates templates,
            StockTemplates stock,
            HostAgent host,
            InstantSource clock) {
        this.rows = new CapsuleRows(db);
        this.templateRows = new TemplateRows(db);
        this.capsules = capsules;
        this.templates = templates;
        this.stock = stock;
        this.host = host;
        this.clock = clock;
    }

    /**
     * A template that a build starts from.
     *
     * @param isSnapshot whether it brings its shape
     */
    public record Base(
            TemplateId id,
            String name,
            boolean isSnapshot,
            int vcpus,
            int memoryMb,
            TemplateDefaults defaults) {}

    /** Makes a template of something from outside. */
    public ImportedDisk importDisk(
            TemplateId template, DiskSource source, Consumer<String> progress) {
        return host.importDisk(template, source, progress);
    }

    /** What such a template gives to its capsules. */
    public static TemplateDefaults defaultsOf(ImportedDisk imported) {
        var defaults = imported.defaults();
        return new TemplateDefaults(
                defaults.environment(), defaults.user(), defaults.directory(), imported.start());
    }

    /** Such a template as one to start from. */
    public static Base base(String name, ImportedDisk imported) {
        return new Base(imported.template().template(), name, false, 0, 0, defaultsOf(imported));
    }

    /** Stock templates. */
    public StockTemplates stock() {
        return stock;
    }

    /** Refuses to build on a stock template that is not there yet, and has it made. */
    public void requireMade(
            TeamId team, String name, int vcpus, int memoryMb, StockBuilds stockBuilds) {
        stock.requireMade(templates.resolve(team, name), vcpus, memoryMb, stockBuilds);
    }

    /** What a name means to a team; see {@link Templates#resolve}. */
    public Base base(TeamId team, String name) {
        var found = templates.resolve(team, name);
        return new Base(
                found.id(),
                found.name(),
                found.isSnapshot(),
                found.vcpus(),
                found.memoryMb(),
                found.defaults());
    }

    /** Refuses a name that the team's new template cannot have. */
    public void requireFree(TeamId team, String name, boolean overwrite) {
        templates.requireFree(team, name, overwrite);
    }

    /** Starts a capsule; nothing of it is left if that fails. */
    public void create(CapsuleId id, Base base, int vcpus, int memoryMb) {
        var now = clock.instant();
        var row =
                new CapsuleRow(
                        id,
                        TeamId.PLATFORM,
                        base.name(),
                        base.id(),
                        Status.PENDING,
                        0,
                        base.isSnapshot() ? base.vcpus() : vcpus,
                        base.isSnapshot() ? base.memoryMb() : memoryMb,
                        0,
                        new PortRules(false, true), // nobody visits a build from outside
                        "",
                        Map.of(),
                        "",
                        capsules.serverRun(),
                        now,
                        Optional.empty(),
                        Optional.empty(),
                        now,
                        Optional.empty());
        rows.insert(List.of(row), base.defaults(), Integer.MAX_VALUE);
        var order =
                new CreateCapsule(
                        id,
                        base.id(),
                        row.vcpus(),
                        row.memoryMb(),
                        Duration.ZERO,
                        base.defaults().with(Map.of()));
        try {
            capsules.apply(host.create(order));
        } catch (WrennException e) {
            end(id, Status.ERROR, e.shownMessage());
            throw e;
        }
    }

    /** A conversation with its guest; the caller closes it. */
    public GuestSession session(CapsuleId id) {
        return host.guest(id);
    }

    /** Destroys one from any state; one that is gone is fine. */
    public void destroy(CapsuleId id) {
        end(id, Status.STOPPED, "");
        host.destroy(id);
    }

    private void end(CapsuleId id, Status status, String reason) {
        rows.end(id, status, reason, clock.instant(), List.of("stopped", "error"));
    }

    /** Makes a template of memory and disk as they are; the capsule runs on. */
    public HostTemplate saveAndGoOn(CapsuleId id, TemplateId template) {
        var made = host.createTemplate(id, template);
        capsules.apply(host.resume(id));
        return made;
    }

    /** Whether the host has a template. */
    public boolean isHeld(TemplateId template) {
        return host.templates().stream().anyMatch(t -> t.template().equals(template));
    }

    /** Makes a template of memory and disk; the capsule is gone afterwards. */
    public HostTemplate keepSnapshot(CapsuleId id, TemplateId template) {
        var made = host.createTemplate(id, template);
        destroy(id);
        return made;
    }

    /** Makes a template of the disk; the capsule is gone afterwards. */
    public HostTemplate keepDisk(CapsuleId id, TemplateId template) {
        end(id, Status.STOPPED, "");
        return host.createDiskTemplate(id, template);
    }

    /** Whether a template can be named by now. */
    public boolean isRegistered(TemplateId template) {
        return templateRows.isStored(template);
    }

    /** Removes a template that cannot be named. */
    public void discard(TemplateId template) {
        host.deleteTemplate(template);
    }

    /** Lets a team name a template that the host holds; see {@link Templates#requireFree}. */
    public void register(
            TeamId team,
            String name,
            HostTemplate made,
            TemplateDefaults defaults,
            boolean overwrite) {
        templates.requireFree(team, name, overwrite);
        var row =
                new TemplateRow(
                        made.template(),
                        team,
                        name,
                        made.isSnapshot(),
                        made.vcpus(),
                        made.memoryMb(),
                        made.sizeBytes(),
                        clock.instant(),
                        made.isSnapshot() ? defaults.withoutStart() : defaults,
                        "");
        if (overwrite) {
            templateRows.put(row).ifPresent(host::deleteTemplate);
        } else if (!templateRows.insert(row)) {
            throw new ApiException(
                    ErrorCode.TEMPLATE_NAME_TAKEN,
                    "another template took the name " + name + " while this one was built");
        }
    }
}
