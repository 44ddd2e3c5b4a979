package dev.wrenn.control;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The document describes what is served: all of it, and nothing else. */
class ApiDocumentTest {
    @RegisterExtension private static final ControlRig RIG = new ControlRig();

    private final Api nobody = new Api(RIG.baseUrl(), "");
    private JsonNode document;

    @BeforeEach
    void read() throws Exception {
        var answer = nobody.get("/openapi.yaml");
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.header("Content-Type")).isEqualTo("application/yaml");
        document = new YAMLMapper().readTree(answer.text());
    }

    private List<JsonNode> operations() {
        var operations = new ArrayList<JsonNode>();
        document.path("paths").forEach(path -> path.forEach(operations::add));
        return operations;
    }

    @Test
    void every_route_is_described_and_every_description_is_a_route() {
        var described = new TreeSet<String>();
        document.path("paths")
                .properties()
                .forEach(path ->
                        path.getValue()
                                .fieldNames()
                                .forEachRemaining(method ->
                                        described.add(
                                                method.toUpperCase(java.util.Locale.ROOT)
                                                        + " "
                                                        + path.getKey())));

        assertThat(described).isEqualTo(new TreeSet<>(RIG.control().routes()));
    }

    @Test
    void every_reference_leads_somewhere() {
        var text = nobody.get("/openapi.yaml").text();
        var references = Pattern.compile("\\$ref: '#([^']+)'").matcher(text).results().toList();

        assertThat(references).hasSizeGreaterThan(50);
        assertThat(references)
                .allSatisfy(r -> assertThat(document.at(r.group(1)).isMissingNode()).isFalse());
    }

    @Test
    void nothing_is_described_that_nothing_refers_to() {
        var text = nobody.get("/openapi.yaml").text();

        for (var kind : List.of("schemas", "responses", "parameters")) {
            document.path("components")
                    .path(kind)
                    .fieldNames()
                    .forEachRemaining(name ->
                            assertThat(text).contains("#/components/" + kind + "/" + name + "'"));
        }
    }

    @Test
    void every_operation_has_a_name_of_its_own_and_its_failures() {
        assertThat(operations())
                .extracting(o -> o.path("operationId").asText())
                .doesNotHaveDuplicates()
                .doesNotContain("");
        assertThat(operations())
                .filteredOn(o -> !o.has("security"))
                .allSatisfy(o -> assertThat(o.path("responses").has("401")).isTrue());
    }

    @Test
    void every_operation_that_wants_a_key_refuses_who_has_none() {
        var id = RIG.newClient().create();
        var refused = 0;
        for (var path : document.path("paths").properties()) {
            for (var method : path.getValue().properties()) {
                boolean isSocket = method.getValue().path("responses").has("101");
                if (method.getValue().has("security") || isSocket) {
                    continue;
                }
                var real = path.getKey().replace("{id}", id).replaceAll("\\{\\w+\\}", "1");
                nobody.send(
                                method.getKey().toUpperCase(java.util.Locale.ROOT),
                                real,
                                java.net.http.HttpRequest.BodyPublishers.noBody(),
                                java.util.Map.of())
                        .fails(401, "unauthorized");
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(20);
    }

    @Test
    void the_page_and_its_parts_come_from_this_server() {
        var page = nobody.get("/docs");
        assertThat(page.status()).isEqualTo(200);
        assertThat(page.header("Content-Type")).startsWith("text/html");
        assertThat(page.text()).doesNotContain("http://", "https://", "//cdn");
        assertThat(page.header("Content-Security-Policy")).startsWith("default-src 'self'");

        var links = Pattern.compile("(?:src|href)=\"([^\"]+)\"").matcher(page.text());
        assertThat(links.results().map(r -> r.group(1)).toList())
                .hasSize(3)
                .allSatisfy(link -> {
                    assertThat(nobody.get("/" + link).status()).isEqualTo(200);
                    assertThat(nobody.get("/api/" + link).status()).isEqualTo(200);
                });
        assertThat(nobody.get("/docs/").text()).contains("../docs/start.js");
        nobody.get("/docs/..%2fopenapi.yaml").fails(404, "not_found");
        nobody.get("/docs/pom.xml").fails(404, "not_found");
    }
}
