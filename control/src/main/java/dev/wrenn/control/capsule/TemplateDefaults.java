package dev.wrenn.control.capsule;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.control.http.JsonBody;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a template gives to the capsules made from it.
 *
 * @param environment variables of every process
 * @param user who runs what names no user
 * @param directory where processes start that name no directory
 * @param start what runs in each new capsule: program and arguments; empty for nothing
 */
public record TemplateDefaults(
        Map<String, String> environment,
        Optional<String> user,
        Optional<String> directory,
        List<String> start) {
    /** Nothing. */
    public static final TemplateDefaults NONE =
            new TemplateDefaults(Map.of(), Optional.empty(), Optional.empty(), List.of());

    /** Copies the collections. */
    public TemplateDefaults {
        environment = Map.copyOf(environment);
        start = List.copyOf(start);
    }

    /** The same for a template that holds memory: what would be started runs in it already. */
    TemplateDefaults withoutStart() {
        return new TemplateDefaults(environment, user, directory, List.of());
    }

    /** What a capsule's processes get, its own variables on top. */
    ProcessDefaults with(Map<String, String> variables) {
        var all = new LinkedHashMap<>(environment);
        all.putAll(variables);
        return new ProcessDefaults(all, user, directory);
    }

    /** Adds what there is to a template's object. */
    void addTo(ObjectNode template) {
        user.ifPresent(u -> template.put("default_user", u));
        directory.ifPresent(d -> template.put("default_workdir", d));
        if (!environment.isEmpty()) {
            var variables = template.putObject("default_env");
            environment.forEach(variables::put);
        }
        if (!start.isEmpty()) {
            var words = template.putArray("start_command");
            start.forEach(words::add);
        }
    }

    /** As it is stored. */
    public String toJson() {
        var json = JsonBody.JSON.createObjectNode();
        var variables = json.putObject("env");
        environment.forEach(variables::put);
        json.put("user", user.orElse(""));
        json.put("workdir", directory.orElse(""));
        var words = json.putArray("start");
        start.forEach(words::add);
        return json.toString();
    }

    /** From what was stored. */
    public static TemplateDefaults parse(String text) {
        JsonNode json;
        try {
            json = JsonBody.JSON.readTree(text);
        } catch (JsonProcessingException e) {
            throw new WrennException(Kind.CORRUPT, "stored template defaults are not JSON", e);
        }
        var environment = new LinkedHashMap<String, String>();
        json.path("env")
                .properties()
                .forEach(e -> environment.put(e.getKey(), e.getValue().asText()));
        var start = new ArrayList<String>();
        json.path("start").forEach(word -> start.add(word.asText()));
        return new TemplateDefaults(
                environment,
                Optional.of(json.path("user").asText("")).filter(u -> !u.isEmpty()),
                Optional.of(json.path("workdir").asText("")).filter(d -> !d.isEmpty()),
                start);
    }
}
