package dev.wrenn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.lang.ArchRule;
import dev.wrenn.testkit.ArchitectureRules;
import dev.wrenn.testkit.SourceRules;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The command sees every module, so the rules of the whole house are checked here. */
class ArchitectureTest {
    private static JavaClasses product;

    @BeforeAll
    static void read() {
        product = ArchitectureRules.productClasses();
    }

    static List<ArchRule> rules() {
        return ArchitectureRules.all();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rules")
    void the_product_keeps_the_rule(ArchRule rule) {
        rule.check(product);
    }

    @Test
    void all_modules_are_looked_at() {
        assertThat(product.stream().map(type -> type.getPackageName().split("\\.", -1)[2]))
                .contains(
                        "base",
                        "cli",
                        "contract",
                        "control",
                        "disk",
                        "gateway",
                        "host",
                        "linux",
                        "network",
                        "pager",
                        "server",
                        "simhost",
                        "snapshot",
                        "vmm");
    }

    @Test
    void the_sources_keep_the_rules_that_byte_code_cannot_show() throws IOException {
        var checkout = Path.of("..").toRealPath(); // a module's tests run in its folder
        assertThat(checkout.resolve("mvnw")).exists();

        assertThat(SourceRules.violations(checkout)).isEmpty();
    }
}
