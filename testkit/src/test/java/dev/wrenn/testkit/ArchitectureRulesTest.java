package dev.wrenn.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchRule;
import dev.wrenn.control.wrong.Anything;
import dev.wrenn.disk.wrong.DiskHelper;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ArchitectureRulesTest {
    private static List<String> brokenBy(ArchRule rule) {
        var classes =
                new ClassFileImporter()
                        .importClasses(
                                DiskHelper.class,
                                Anything.class,
                                DiskHelper.class.getDeclaredClasses()[0]);
        return rule.evaluate(classes).getFailureReport().getDetails();
    }

    static Stream<ArchRule> rulesThatTheWrongClassBreaks() {
        return Stream.of(
                ArchitectureRules.roleNames(),
                ArchitectureRules.nativeCallsOnlyInLinux(),
                ArchitectureRules.sqlOnlyInRows(),
                ArchitectureRules.threadsOnlyInBase(),
                ArchitectureRules.clocksOnlyInBase(),
                ArchitectureRules.programsOnlyInBase(),
                ArchitectureRules.typedFailures(),
                ArchitectureRules.noBareThrows(),
                ArchitectureRules.secretsAreHidden());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rulesThatTheWrongClassBreaks")
    void a_class_that_breaks_the_rule_is_named(ArchRule rule) {
        assertThat(brokenBy(rule)).anyMatch(line -> line.contains("DiskHelper"));
    }

    @Test
    void static_state_is_found_whether_it_is_the_field_or_its_content_that_changes() {
        assertThat(brokenBy(ArchitectureRules.noStaticMutableState()))
                .anyMatch(line -> line.contains("counter"))
                .anyMatch(line -> line.contains("NAMES"))
                .hasSize(2);
    }

    @Test
    void a_module_that_uses_another_one_against_the_direction_is_named() {
        assertThat(ArchitectureRules.directions())
                .filteredOn(rule -> !brokenBy(rule).isEmpty())
                .singleElement()
                .satisfies(rule -> assertThat(rule.getDescription()).startsWith("A1 disk"));
    }
}
