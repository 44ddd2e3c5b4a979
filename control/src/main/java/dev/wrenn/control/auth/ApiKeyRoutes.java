package dev.wrenn.control.auth;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.contract.Ids;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.JsonBody;
import dev.wrenn.control.http.Routes;
import io.javalin.http.Context;
import java.time.temporal.ChronoUnit;

/** Routes of a team's keys; any key of the team may make, list and revoke them. */
public final class ApiKeyRoutes {
    private static final int CREATED = 201;
    private static final int NO_CONTENT = 204;
    private static final int LONGEST_NAME_CHARS = 100;
    private static final String UNNAMED = "Unnamed API Key";

    private final ApiKeys keys;
    private final Requests requests;

    /** Over those keys. */
    public ApiKeyRoutes(ApiKeys keys, Requests requests) {
        this.keys = keys;
        this.requests = requests;
    }

    /** Adds them. */
    public void addTo(Routes routes) {
        routes.post("/v1/api-keys", this::create);
        routes.get("/v1/api-keys", this::list);
        routes.delete("/v1/api-keys/{key}", this::revoke);
    }

    private void create(Context ctx) {
        var team = requests.caller(ctx).team();
        var name = requests.body(ctx).text("name").map(String::strip).orElse("");
        if (name.length() > LONGEST_NAME_CHARS
                || name.codePoints().anyMatch(Character::isISOControl)) {
            throw ApiException.invalid(
                    "a key's name has at most " + LONGEST_NAME_CHARS + " characters, on one line");
        }
        var made = keys.make(team, name.isEmpty() ? UNNAMED : name);
        // Shown this once: only its hash is kept.
        var json = json(team, made.key()).put("key", made.secret().reveal());
        ctx.status(CREATED).contentType("application/json").result(json.toString());
    }

    private void list(Context ctx) {
        var team = requests.caller(ctx).team();
        var array = JsonBody.JSON.createArrayNode();
        keys.list(team).forEach(key -> array.add(json(team, key)));
        ctx.contentType("application/json").result(array.toString());
    }

    private void revoke(Context ctx) {
        var team = requests.caller(ctx).team();
        var id = ctx.pathParam("key");
        try {
            Ids.requireForm("key-", id);
        } catch (IllegalArgumentException e) {
            throw ApiException.invalid("not the id of a key: " + e.getMessage());
        }
        // One that is gone already, or of another team, is none of this team: nothing to do.
        if (keys.list(team).stream().anyMatch(key -> key.id().equals(id))) {
            keys.revoke(id);
        }
        ctx.status(NO_CONTENT);
    }

    private static ObjectNode json(TeamId team, ApiKey key) {
        var json = JsonBody.JSON.createObjectNode();
        json.put("id", key.id());
        json.put("team_id", team.text());
        json.put("name", key.name());
        json.put("key_prefix", key.prefix());
        json.put("created_at", key.createdAt().truncatedTo(ChronoUnit.SECONDS).toString());
        key.lastUsed()
                .ifPresent(
                        t -> json.put("last_used", t.truncatedTo(ChronoUnit.SECONDS).toString()));
        return json;
    }
}
