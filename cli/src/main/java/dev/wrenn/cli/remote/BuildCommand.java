package dev.wrenn.cli.remote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.cli.client.ApiClient;
import dev.wrenn.cli.client.Json;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes a template by a recipe or of a container image, and shows how it goes. */
@Command(
        name = "build",
        description = {
            "Builds a template by a recipe, or of a container image.",
            "Has a template of the platform made if NAME is one and there is no recipe."
        },
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "A recipe has one instruction a line: FROM TEMPLATE or IMAGE, RUN [--timeout=5m] COMMAND,"
                    + " ENV NAME=VALUE, WORKDIR PATH, USER NAME, COPY SOURCE… TARGET, START COMMAND,"
                    + " HEALTHCHECK [--interval=3s] [--timeout=10s] [--retries=0] COMMAND. With a"
                    + " HEALTHCHECK the template holds the processes that START began, running.",
            "Ctrl-C cancels the build. Exit code: 0 if the template was made, 1 if not.",
            "",
            "Examples:",
            "  wrenn template build web .              # ./Wrennfile, COPY takes from .",
            "  wrenn template build redis --image docker.io/library/redis:7",
            "  wrenn template build base-python        # ready before the first capsule wants it"
        })
final class BuildCommand implements Callable<Integer> {
    private static final String FILE = "Wrennfile";
    private static final int INTERRUPTED = 130;
    private static final Duration UPLOAD_LIMIT = Duration.ofMinutes(30);

    @Mixin private RemoteOptions options = new RemoteOptions();

    @Option(
            names = {"-f", "--file"},
            paramLabel = "FILE",
            description = "The recipe, - for standard input. Default: Wrennfile in FOLDER")
    private @Nullable String file;

    @Option(
            names = "--from",
            paramLabel = "TEMPLATE",
            description = "Start from that template, whatever FROM says")
    private @Nullable String from;

    @Option(
            names = "--image",
            paramLabel = "HOST/NAME:TAG",
            description = "Start from that container image, whatever FROM says")
    private @Nullable String image;

    @Option(names = "--vcpus", paramLabel = "N", description = "Processors while it is built")
    private @Nullable Integer vcpus;

    @Option(
            names = {"-m", "--memory"},
            paramLabel = "SIZE",
            description = "Memory while it is built, such as 512M or 2G")
    private @Nullable String memory;

    @Option(
            names = "--skip-pre-post",
            description = "Leave out the package lists and the user that builds usually prepare")
    private boolean bare;

    @Option(
            names = "--no-cache",
            description = "Run every step, also those that an earlier build has done already")
    private boolean everyStep;

    @Option(
            names = {"-d", "--detach"},
            description = "Print the build's id and do not wait for it")
    private boolean detach;

    @Parameters(index = "0", paramLabel = "NAME", description = "Name of the template")
    private String name = "";

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "FOLDER",
            description = "Where COPY takes from, and where the recipe is. Default: .")
    private Path folder = Path.of(".");

    @Override
    public Integer call() throws IOException {
        try (var api = options.connect()) {
            var recipe = recipe(api);
            var build = submit(api, recipe);
            var id = build.path("id").asText();
            if (detach) {
                options.print(build, List.of(id));
                return 0;
            }
            try {
                return follow(api, id);
            } catch (WrennException e) {
                if (Thread.interrupted()) {
                    if (recipe.isEmpty()) {
                        System.err.println("wrenn: build " + id + " goes on");
                        return INTERRUPTED;
                    }
                    api.post(path(id) + "/cancel", Map.of(), CapsuleCommand.LIMIT);
                    System.err.println("wrenn: build " + id + " was cancelled");
                    return INTERRUPTED;
                }
                throw e;
            }
        }
    }

    /** Empty for a template that the server knows how to make. */
    private Optional<RecipeFile> recipe(ApiClient api) throws IOException {
        if ("-".equals(file)) {
            return Optional.of(
                    RecipeFile.parse(new String(System.in.readAllBytes(), StandardCharsets.UTF_8)));
        }
        var path = file == null ? folder.resolve(FILE) : Path.of(file);
        boolean isNamed = file != null || from != null;
        if (!isNamed && image == null && isOfPlatform(api)) {
            return Optional.empty();
        }
        if (Files.exists(path)) {
            return Optional.of(RecipeFile.parse(Files.readString(path)));
        }
        if (file == null && image != null) {
            return Optional.of(new RecipeFile(Optional.empty(), List.of(), Optional.empty()));
        }
        throw new WrennException(
                Kind.ABSENT,
                "there is no recipe %s; write one, name one with --file, or give an --image"
                        .formatted(path));
    }

    /** No team can have a template of that name, so a recipe that lies there is not meant. */
    private boolean isOfPlatform(ApiClient api) {
        for (var template : api.get("/v1/snapshots?type=base", CapsuleCommand.LIMIT)) {
            if (template.path("name").asText().equals(name)
                    && template.path("platform").asBoolean()) {
                return true;
            }
        }
        return false;
    }

    private JsonNode submit(ApiClient api, Optional<RecipeFile> recipe) throws IOException {
        var order = order(recipe);
        if (recipe.isEmpty() || !recipe.get().needsContext()) {
            return api.post("/v1/builds", order, UPLOAD_LIMIT);
        }
        var archive = Files.createTempFile("wrenn-build-", ".tar.gz");
        try {
            try (var out = Files.newOutputStream(archive)) {
                new BuildContext(folder).pack(out);
            }
            System.err.printf("==> Sending %s%n", Words.size(Files.size(archive)));
            var boundary = UUID.randomUUID().toString();
            var head =
                    "--%s\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\n%s\r\n"
                                    .formatted(boundary, Json.line(order))
                            + "--%s\r\nContent-Disposition: form-data; name=\"archive\"; filename=\"archive.tar.gz\"\r\nContent-Type: application/gzip\r\n\r\n"
                                    .formatted(boundary);
            return api.post(
                    "/v1/builds",
                    "multipart/form-data; boundary=" + boundary,
                    BodyPublishers.concat(
                            BodyPublishers.ofString(head),
                            BodyPublishers.ofFile(archive),
                            BodyPublishers.ofString("\r\n--" + boundary + "--\r\n")),
                    UPLOAD_LIMIT);
        } finally {
            Files.deleteIfExists(archive);
        }
    }

    private Map<String, Object> order(Optional<RecipeFile> recipe) {
        var order = new LinkedHashMap<String, Object>();
        order.put("name", name);
        recipe.ifPresent(r -> addTo(order, r));
        Optional.ofNullable(vcpus).ifPresent(n -> order.put("vcpus", n));
        Optional.ofNullable(memory).ifPresent(m -> order.put("memory_mb", Words.memoryMb(m)));
        if (bare) {
            order.put("skip_pre_post", true);
        }
        if (everyStep) {
            order.put("no_cache", true);
        }
        return order;
    }

    private void addTo(Map<String, Object> order, RecipeFile recipe) {
        var start = Optional.ofNullable(image).or(() -> Optional.ofNullable(from)).or(recipe::from);
        start.ifPresent(s ->
                order.put(
                        image != null || (from == null && RecipeFile.isImage(s))
                                ? "image"
                                : "base_template",
                        s));
        if (!recipe.steps().isEmpty()) {
            order.put("recipe", recipe.steps());
        }
        recipe.healthcheck().ifPresent(h -> order.put("healthcheck", h));
    }

    /** Shows the build's log until it has ended. */
    private int follow(ApiClient api, String id) throws IOException {
        try (var log =
                new BufferedReader(
                        new InputStreamReader(
                                api.stream(path(id) + "/logs?follow=true", CapsuleCommand.LIMIT),
                                StandardCharsets.UTF_8))) {
            for (var line = log.readLine(); line != null; line = log.readLine()) {
                if (options.isJson()) {
                    System.out.println(line);
                } else {
                    show(Json.read(line));
                }
            }
        }
        var build = api.get(path(id), CapsuleCommand.LIMIT);
        boolean isMade = build.path("status").asText().equals("success");
        if (!isMade) {
            System.err.printf(
                    "wrenn: build %s %s: %s%n",
                    id, build.path("status").asText(), build.path("error").asText("no reason"));
        } else if (!options.isJson()) {
            System.out.println(name);
        }
        return isMade ? 0 : 1;
    }

    private static void show(JsonNode line) {
        switch (line.path("event").asText()) {
            case "output" -> System.err.print(line.path("text").asText());
            case "note" -> System.err.println("==> " + line.path("text").asText());
            case "step" -> {
                var took =
                        line.path("cached").asBoolean()
                                ? "CACHED"
                                : "%s after %.1f s"
                                        .formatted(
                                                line.path("ok").asBoolean() ? "done" : "FAILED",
                                                line.path("elapsed_ms").asLong() / 1000.0);
                System.err.printf(
                        "==> %d %s: %s%n",
                        line.path("step").asInt(), line.path("cmd").asText(), took);
            }
            default -> {
                // keep-alives, and the end, which is told from the build itself
            }
        }
    }

    private static String path(String id) {
        return "/v1/builds/" + ApiClient.escaped(id);
    }
}
