package dev.wrenn.control.build;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.JsonBody;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What was asked to be built.
 *
 * @param name of the template
 * @param baseTemplate where it starts from
 * @param image the container image it starts from instead; empty for none
 * @param recipe its lines, as they were sent
 * @param healthcheck as it was sent; empty for none
 * @param vcpus processors of the machine that builds, and of a template that holds memory
 * @param memoryMb memory of the same, MiB
 * @param skipPrePost whether only the recipe runs
 * @param overwrite whether a template of that name may be replaced
 * @param noCache whether every step runs, whatever earlier builds came to
 * @param isStock whether the host makes it by its own recipe
 */
record BuildSpec(
        String name,
        String baseTemplate,
        String image,
        List<String> recipe,
        String healthcheck,
        int vcpus,
        int memoryMb,
        boolean skipPrePost,
        boolean overwrite,
        boolean noCache,
        boolean isStock) {
    private static final int MOST_LINES = 500;
    private static final int LONGEST_LINE = 32_768;
    private static final int LONGEST_IMAGE = 512;
    private static final String DEFAULT_BASE = "minimal";

    /** Copies the list. */
    BuildSpec {
        recipe = List.copyOf(recipe);
    }

    /** The two numbers that every capsule has, checked by whoever knows the limits. */
    record Shape(int vcpus, int memoryMb) {}

    /** Reads what a client sent; every line is understood before anything runs. */
    static BuildSpec of(JsonBody body, Shape shape) {
        var recipe = body.texts("recipe");
        var image = body.text("image").orElse("");
        if (!image.isEmpty() && body.text("base_template").isPresent()) {
            throw ApiException.invalid("a build starts from base_template or from image, not both");
        }
        if (image.length() > LONGEST_IMAGE || image.chars().anyMatch(c -> c <= ' ' || c > '~')) {
            throw ApiException.invalid("image must be HOST/NAME:TAG or HOST/NAME@sha256:DIGEST");
        }
        if (recipe.isEmpty() && image.isEmpty()) {
            throw ApiException.invalid("recipe must have at least one line");
        }
        if (recipe.size() > MOST_LINES) {
            throw ApiException.invalid("recipe may have at most " + MOST_LINES + " lines");
        }
        for (int i = 0; i < recipe.size(); i++) {
            check(i + 1, recipe.get(i));
        }
        var healthcheck = body.text("healthcheck").orElse("");
        Healthcheck.parse(healthcheck);
        return new BuildSpec(
                body.requiredText("name"),
                image.isEmpty() ? body.text("base_template").orElse(DEFAULT_BASE) : "",
                image,
                recipe,
                healthcheck,
                shape.vcpus(),
                shape.memoryMb(),
                // An image says itself who its user is and where it works.
                body.flag("skip_pre_post") || !image.isEmpty(),
                body.flag("overwrite"),
                body.flag("no_cache"),
                false);
    }

    /** What the host makes by its own recipe, ready for that shape. */
    static BuildSpec stock(String name, Shape shape) {
        return new BuildSpec(
                name,
                "",
                "",
                List.of(),
                "",
                shape.vcpus(),
                shape.memoryMb(),
                true,
                true,
                false,
                true);
    }

    Shape shape() {
        return new Shape(vcpus, memoryMb);
    }

    private static void check(int number, String line) {
        if (line.length() > LONGEST_LINE || line.indexOf('\0') >= 0) {
            throw ApiException.invalid(
                    "recipe line %d may have at most %d characters, none of them zero"
                            .formatted(number, LONGEST_LINE));
        }
        try {
            Instruction.parse(line);
        } catch (ApiException e) {
            throw ApiException.invalid("recipe line " + number + ": " + e.shownMessage());
        }
    }

    /** Every step, in order. */
    List<Step> steps() {
        if (isStock) {
            return List.of(Step.disk(name), Step.boot(vcpus, memoryMb));
        }
        var steps = new ArrayList<Step>();
        if (!image.isEmpty()) {
            steps.add(Step.from(image));
        }
        if (!skipPrePost) {
            steps.addAll(Step.BEFORE);
        }
        recipe.forEach(line -> steps.add(new Step(Step.Phase.RECIPE, line)));
        if (!skipPrePost) {
            steps.addAll(Step.AFTER);
        }
        return steps;
    }

    /** Whether an image becomes a template as it is, without a machine. */
    boolean isImageOnly() {
        return !image.isEmpty() && recipe.isEmpty() && healthcheck.isEmpty();
    }

    /** Whether a line starts a program. */
    boolean starts() {
        return instructions().anyMatch(i -> i instanceof Instruction.Start);
    }

    /** Whether a line takes files from the archive. */
    boolean copies() {
        return instructions().anyMatch(i -> i instanceof Instruction.Copy);
    }

    private Stream<Instruction> instructions() {
        return recipe.stream().map(Instruction::parse);
    }

    Optional<Healthcheck> check() {
        return Healthcheck.parse(healthcheck);
    }

    /** Adds what clients see of it. */
    void addTo(ObjectNode build) {
        build.put("name", name);
        if (!image.isEmpty()) {
            build.put("image", image);
        } else if (!isStock) {
            build.put("base_template", baseTemplate);
        }
        var lines = build.putArray("recipe");
        recipe.forEach(lines::add);
        if (!healthcheck.isEmpty()) {
            build.put("healthcheck", healthcheck);
        }
        build.put("vcpus", vcpus);
        build.put("memory_mb", memoryMb);
        build.put("total_steps", steps().size());
    }

    /** As it is stored. */
    String toJson() {
        var json = JsonBody.JSON.createObjectNode();
        addTo(json);
        json.put("skip_pre_post", skipPrePost);
        json.put("overwrite", overwrite);
        json.put("no_cache", noCache);
        json.put("stock", isStock);
        return json.toString();
    }

    /** From what was stored. */
    static BuildSpec parse(String text) {
        var body = JsonBody.parse(text);
        var shape =
                new Shape(
                        (int) body.number("vcpus").orElse(1),
                        (int) body.number("memory_mb").orElse(512));
        return body.flag("stock") ? stock(body.requiredText("name"), shape) : of(body, shape);
    }
}
