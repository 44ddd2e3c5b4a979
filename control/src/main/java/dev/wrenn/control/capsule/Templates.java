package dev.wrenn.control.capsule;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostTemplate;
import dev.wrenn.control.auth.Caller;
import dev.wrenn.control.auth.TeamId;
import dev.wrenn.control.capsule.TemplateRows.TemplateRow;
import dev.wrenn.control.event.Actor;
import dev.wrenn.control.event.EventKind;
import dev.wrenn.control.event.Events;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import dev.wrenn.control.http.JsonBody;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Jdbi;

/** Templates by name: the team's own, and the platform's for all. */
public final class Templates {
    private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}");

    private final TemplateRows rows;
    private final StockTemplates stock;
    private final HostAgent host;
    private final Events events;
    private final InstantSource clock;

    /** Over that database and host. */
    public Templates(
            Jdbi db, StockTemplates stock, HostAgent host, Events events, InstantSource clock) {
        this.stock = stock;
        this.rows = new TemplateRows(db);
        this.host = host;
        this.events = events;
        this.clock = clock;
    }

    /**
     * What a name means to a team.
     *
     * @throws ApiException INVALID_REQUEST for no name, NOT_FOUND for an unknown one
     */
    TemplateRow resolve(TeamId team, String name) {
        requireName(name);
        return rows.visible(team, name)
                .orElseThrow(() ->
                        new ApiException(ErrorCode.NOT_FOUND, "there is no template " + name));
    }

    /** Every template the team can use; {@code type} keeps only that sort. */
    List<ObjectNode> list(TeamId team, Optional<String> type, StockBuilds stockBuilds) {
        return rows.all(team).stream()
                .filter(t -> type.isEmpty() || type.get().equals(typeOf(t)))
                .map(t -> json(t, stock.status(t, stockBuilds)))
                .toList();
    }

    /**
     * Refuses a name that a new template of the team cannot have.
     *
     * @param overwrite whether the team's own template of that name may be replaced
     */
    void requireFree(TeamId team, String name, boolean overwrite) {
        requireName(name);
        rows.visible(team, name)
                .ifPresent(taken -> {
                    if (taken.team().equals(TeamId.PLATFORM)) {
                        throw new ApiException(
                                ErrorCode.NAME_RESERVED,
                                name + " is a template of the platform; choose another");
                    }
                    if (!overwrite) {
                        throw taken(name);
                    }
                });
    }

    /** Makes a template of a capsule; one it replaces goes only after the new one is stored. */
    ObjectNode create(
            TeamId team,
            String name,
            CapsuleId capsule,
            TemplateDefaults defaults,
            boolean overwrite) {
        var id = TemplateId.random();
        HostTemplate made = host.createTemplate(capsule, id);
        var row =
                new TemplateRow(
                        id,
                        team,
                        name,
                        made.isSnapshot(),
                        made.vcpus(),
                        made.memoryMb(),
                        made.sizeBytes(),
                        clock.instant(),
                        defaults,
                        "");
        try {
            if (overwrite) {
                rows.put(row).ifPresent(host::deleteTemplate);
            } else if (!rows.insert(row)) {
                throw taken(name);
            }
        } catch (RuntimeException e) {
            deleteAfter(e, id);
            throw e;
        }
        return json(row, StockTemplates.Status.READY);
    }

    /** Nobody can name a template that has no row. */
    private void deleteAfter(RuntimeException failure, TemplateId template) {
        if (rows.isStored(template)) {
            return; // only the one it replaces could not be removed
        }
        try {
            host.deleteTemplate(template);
        } catch (WrennException e) {
            failure.addSuppressed(e);
        }
    }

    private static ApiException taken(String name) {
        return new ApiException(
                ErrorCode.TEMPLATE_NAME_TAKEN,
                "template " + name + " exists; pass overwrite=true to replace it");
    }

    /** Deletes the team's template; capsules made from it live on. */
    void delete(Caller caller, String name) {
        var found = resolve(caller.team(), name);
        if (found.team().equals(TeamId.PLATFORM)) {
            throw new ApiException(
                    ErrorCode.FORBIDDEN, "templates of the platform cannot be deleted");
        }
        var action =
                new Events.Action(EventKind.SNAPSHOT_DELETE, caller.team(), Actor.of(caller), name);
        events.note(
                action,
                () -> {
                    rows.delete(found.id());
                    host.deleteTemplate(found.id());
                });
    }

    private static void requireName(String name) {
        if (!NAME.matcher(name).matches()) {
            throw ApiException.invalid(
                    "a template name has 1 to 64 letters, digits, dots, dashes and underscores and"
                            + " begins with a letter or digit");
        }
    }

    private static String typeOf(TemplateRow row) {
        return row.isSnapshot() ? "snapshot" : "base";
    }

    private static ObjectNode json(TemplateRow row, StockTemplates.Status status) {
        var json = JsonBody.JSON.createObjectNode();
        json.put("name", row.name());
        json.put("type", typeOf(row));
        if (row.vcpus() > 0) {
            json.put("vcpus", row.vcpus());
            json.put("memory_mb", row.memoryMb());
        }
        json.put("size_bytes", row.sizeBytes());
        json.put("created_at", CapsuleRow.seconds(row.createdAt()));
        json.put("platform", row.team().equals(TeamId.PLATFORM));
        json.put("status", status.name().toLowerCase(Locale.ROOT));
        row.defaults().addTo(json);
        return json;
    }
}
