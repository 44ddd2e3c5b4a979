package dev.wrenn.testkit;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.simpleNameEndingWith;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaCall;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaConstructorCall;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** The rules of the house that byte code can show, one {@link ArchRule} each. */
public final class ArchitectureRules {
    private static final String ROOT = "dev.wrenn.";

    /** Each module and all that it may use; what is not named is forbidden. */
    private static final Map<String, Set<String>> MAY_USE =
            new TreeMap<>(
                    Map.ofEntries(
                            Map.entry("contract", Set.of()),
                            Map.entry("base", Set.of()),
                            Map.entry("linux", Set.of("base")),
                            Map.entry("snapshot", Set.of("base", "linux")),
                            Map.entry("pager", Set.of("snapshot", "linux", "base")),
                            Map.entry("vmm", Set.of("snapshot", "linux", "base")),
                            Map.entry("network", Set.of("linux", "base")),
                            Map.entry("disk", Set.of("snapshot", "linux", "base")),
                            Map.entry(
                                    "host",
                                    Set.of(
                                            "vmm",
                                            "network",
                                            "disk",
                                            "pager",
                                            "snapshot",
                                            "linux",
                                            "contract",
                                            "base")),
                            Map.entry("control", Set.of("snapshot", "contract", "base")),
                            Map.entry("gateway", Set.of("contract", "base")),
                            Map.entry("server", Set.of("control", "contract", "base")),
                            Map.entry("simhost", Set.of("contract", "base", "testkit"))));

    private static final Set<String> GROUND =
            Set.of(
                    "ByteSize",
                    "Command",
                    "CommandFailed",
                    "ConfigInvalid",
                    "ConfigSource",
                    "ConfigValues",
                    "Deadline",
                    "DeadlinePassed",
                    "Forks",
                    "Kind",
                    "Loop",
                    "Pause",
                    "Progress",
                    "Resource",
                    "Secret",
                    "Stopwatch",
                    "Termination",
                    "UndoStack",
                    "WrennException");

    private static final Pattern FORBIDDEN_NAME =
            Pattern.compile(".*(Manager|Helper|Utils?|Impl|Common|Misc)");

    private ArchitectureRules() {}

    /** All product classes on the class path, tests left out. */
    public static JavaClasses productClasses() {
        return new ClassFileImporter()
                .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                .withImportOption(location -> !location.contains("/testkit/"))
                .importPackages("dev.wrenn");
    }

    /** All rules, in the order in which they are documented. */
    public static List<ArchRule> all() {
        var rules = new ArrayList<ArchRule>();
        rules.addAll(directions());
        rules.add(noPackageCycles());
        rules.add(closedGround());
        rules.add(roleNames());
        rules.add(nativeCallsOnlyInLinux());
        rules.add(sqlOnlyInRows());
        rules.add(httpServerOnlyAtTheEdge());
        rules.add(threadsOnlyInBase());
        rules.add(clocksOnlyInBase());
        rules.add(programsOnlyInBase());
        rules.add(noStaticMutableState());
        rules.add(typedFailures());
        rules.add(noBareThrows());
        rules.add(secretsAreHidden());
        return rules;
    }

    /** A1: the table of modules is the whole truth about who uses whom. */
    static List<ArchRule> directions() {
        var rules = new ArrayList<ArchRule>();
        MAY_USE.forEach((module, allowed) ->
                rules.add(
                        noClasses()
                                .that(resideInAPackage(ROOT + module + ".."))
                                .should()
                                .dependOnClassesThat(isOutside(module, allowed))
                                .allowEmptyShould(true)
                                .as("A1 %s uses only %s".formatted(module, allowed))));
        return rules;
    }

    private static DescribedPredicate<JavaClass> isOutside(String module, Set<String> allowed) {
        return DescribedPredicate.describe(
                "belong to another module than " + allowed,
                target -> {
                    if (!target.getPackageName().startsWith(ROOT)) {
                        return false;
                    }
                    var owner = moduleOf(target);
                    return !owner.equals(module) && !allowed.contains(owner);
                });
    }

    private static String moduleOf(JavaClass type) {
        var rest = type.getPackageName().substring(ROOT.length());
        int dot = rest.indexOf('.');
        return dot < 0 ? rest : rest.substring(0, dot);
    }

    /** A2. */
    static ArchRule noPackageCycles() {
        return slices().matching("dev.wrenn.(**)").should().beFreeOfCycles().as("A2 no cycles");
    }

    /** A3: whatever everybody uses is chosen on purpose. */
    static ArchRule closedGround() {
        return classes()
                .that(resideInAPackage("dev.wrenn.base"))
                .and(
                        DescribedPredicate.describe(
                                "are top-level",
                                type ->
                                        type.isTopLevelClass()
                                                && !type.getSimpleName().equals("package-info")))
                .should(
                        condition(
                                "be on the list",
                                type -> GROUND.contains(type.getSimpleName()),
                                "is not on the list of base's classes"))
                .as("A3 base holds exactly its listed classes");
    }

    /** A4: names say the role. */
    static ArchRule roleNames() {
        return classes()
                .that(resideInAPackage("dev.wrenn.."))
                .should(
                        condition(
                                "be named by their role",
                                type -> !FORBIDDEN_NAME.matcher(type.getSimpleName()).matches(),
                                "has a name that says nothing"))
                .as("A4 names say the role");
    }

    /** A6. */
    static ArchRule nativeCallsOnlyInLinux() {
        return noClasses()
                .that(resideOutside("dev.wrenn.linux.."))
                .should()
                .callMethodWhere(
                        calls(
                                "native linking",
                                call ->
                                        isOn(call, "java.lang.foreign.Linker")
                                                || isOn(call, "java.lang.foreign.SymbolLookup")
                                                || is(
                                                        call,
                                                        "java.lang.foreign.MemorySegment",
                                                        "reinterpret")))
                .as("A6 native linking only in linux");
    }

    /** A7. */
    static ArchRule sqlOnlyInRows() {
        return noClasses()
                .that(
                        DescribedPredicate.not(simpleNameEndingWith("Rows"))
                                .and(resideInAPackage("dev.wrenn..")))
                .should()
                .dependOnClassesThat(resideInAPackage("java.sql"))
                .as("A7 SQL only in classes named Rows");
    }

    /** A8: rules know nothing of HTTP. */
    static ArchRule httpServerOnlyAtTheEdge() {
        return noClasses()
                .that(resideInAPackage("dev.wrenn.host.."))
                .or(resideInAPackage("dev.wrenn.vmm.."))
                .or(resideInAPackage("dev.wrenn.pager.."))
                .or(resideInAPackage("dev.wrenn.snapshot.."))
                .or(resideInAPackage("dev.wrenn.network.."))
                .or(resideInAPackage("dev.wrenn.disk.."))
                .should()
                .dependOnClassesThat(
                        resideInAPackage("io.javalin..")
                                .or(resideInAPackage("org.eclipse.jetty.server..")))
                .as("A8 HTTP servers only in the control plane");
    }

    /** A9. */
    static ArchRule threadsOnlyInBase() {
        return noClasses()
                .that(resideOutside("dev.wrenn.base"))
                .should()
                .callCodeUnitWhere(
                        calls(
                                "thread starts",
                                call ->
                                        isOn(call, "java.util.concurrent.Executors")
                                                || isThreadStart(call)))
                .as("A9 threads start only in base");
    }

    private static boolean isThreadStart(JavaCall<?> call) {
        return isOn(call, "java.lang.Thread")
                && Set.of("<init>", "start", "ofVirtual", "ofPlatform", "startVirtualThread")
                        .contains(call.getTarget().getName());
    }

    /**
     * A10: elsewhere time comes from an InstantSource, a Deadline or a Stopwatch. The page server
     * times each fault on a path that must not allocate.
     */
    static ArchRule clocksOnlyInBase() {
        return noClasses()
                .that(resideOutside("dev.wrenn.base"))
                .should()
                .callCodeUnitWhere(
                        calls(
                                "clocks, sleep and chance",
                                call ->
                                        is(call, "java.time.Instant", "now")
                                                || (is(call, "java.lang.System", "nanoTime")
                                                        && !isInPager(call))
                                                || is(call, "java.lang.System", "currentTimeMillis")
                                                || is(call, "java.lang.Thread", "sleep")
                                                || is(call, "java.lang.Math", "random")
                                                || is(call, Random.class.getName(), "<init>")))
                .as("A10 clocks, sleep and chance only in base");
    }

    private static boolean isInPager(JavaCall<?> call) {
        return call.getOriginOwner().getPackageName().equals("dev.wrenn.pager");
    }

    /** A11: the module linux spawns what must outlive us; simhost's guests are children. */
    static ArchRule programsOnlyInBase() {
        return noClasses()
                .that(resideOutside("dev.wrenn.base").and(resideOutside("dev.wrenn.simhost")))
                .should()
                .callCodeUnitWhere(
                        calls(
                                "program starts",
                                call ->
                                        isOn(call, "java.lang.ProcessBuilder")
                                                || is(call, "java.lang.Runtime", "exec")))
                .as("A11 programs start only in base");
    }

    /** A12. */
    static ArchRule noStaticMutableState() {
        return fields().that(
                        DescribedPredicate.<JavaField>describe(
                                "are static and written by us",
                                field ->
                                        field.getModifiers().contains(JavaModifier.STATIC)
                                                && !field.getModifiers()
                                                        .contains(JavaModifier.SYNTHETIC)))
                .should(
                        new ArchCondition<>("be final and immutable") {
                            @Override
                            public void check(JavaField field, ConditionEvents events) {
                                if (!field.getModifiers().contains(JavaModifier.FINAL)
                                        || isMutable(field.getRawType())) {
                                    events.add(
                                            SimpleConditionEvent.violated(
                                                    field,
                                                    field.getFullName()
                                                            + " is static mutable state"));
                                }
                            }
                        })
                .as("A12 no static mutable state");
    }

    private static boolean isMutable(JavaClass type) {
        return type.getPackageName().equals("java.util.concurrent.atomic")
                || (!type.isInterface()
                        && (type.isAssignableTo(Collection.class)
                                || type.isAssignableTo(Map.class)));
    }

    /**
     * A13, first half: our failures have one parent. A checked exception of one package is none:
     * the compiler sees to it that it is translated.
     */
    static ArchRule typedFailures() {
        return classes()
                .that(
                        DescribedPredicate.describe(
                                "are failures of ours",
                                type ->
                                        type.getPackageName().startsWith(ROOT)
                                                && type.isAssignableTo(Throwable.class)
                                                && (type.isAssignableTo(RuntimeException.class)
                                                        || type.getModifiers()
                                                                .contains(JavaModifier.PUBLIC))))
                .should()
                .beAssignableTo("dev.wrenn.base.WrennException")
                .as("A13 failures extend WrennException");
    }

    /** A13, second half: a failure says what failed. */
    static ArchRule noBareThrows() {
        return noClasses()
                .that(resideInAPackage("dev.wrenn.."))
                .should()
                .callConstructorWhere(
                        DescribedPredicate.<JavaConstructorCall>describe(
                                "make an exception without a meaning",
                                call ->
                                        Set.of(
                                                                "java.lang.RuntimeException",
                                                                "java.lang.Exception",
                                                                "java.lang.Error",
                                                                "java.lang.Throwable")
                                                        .contains(call.getTargetOwner().getName())
                                                && !call.getOriginOwner()
                                                        .isAssignableTo(Throwable.class)))
                .as("A13 nothing throws a bare RuntimeException");
    }

    /** A14. */
    static ArchRule secretsAreHidden() {
        return fields().that(
                        DescribedPredicate.<JavaField>describe(
                                "hold a secret by their name",
                                field ->
                                        field.getName()
                                                        .matches(
                                                                "(?i).*(password|secret|token)|apiKey")
                                                && !field.getModifiers()
                                                        .contains(JavaModifier.STATIC)))
                .should(
                        new ArchCondition<>("not be plain text") {
                            @Override
                            public void check(JavaField field, ConditionEvents events) {
                                var type = field.getRawType().getName();
                                if (type.equals("java.lang.String") || type.equals("[C")) {
                                    events.add(
                                            SimpleConditionEvent.violated(
                                                    field,
                                                    field.getFullName() + " should be a Secret"));
                                }
                            }
                        })
                .allowEmptyShould(true)
                .as("A14 secrets are of type Secret");
    }

    private static DescribedPredicate<JavaClass> resideOutside(String packages) {
        return DescribedPredicate.not(resideInAPackage(packages))
                .and(resideInAPackage("dev.wrenn.."));
    }

    private static boolean is(JavaCall<?> call, String owner, String name) {
        return isOn(call, owner) && call.getTarget().getName().equals(name);
    }

    private static boolean isOn(JavaCall<?> call, String owner) {
        return call.getTargetOwner().getName().equals(owner);
    }

    private static DescribedPredicate<JavaCall<?>> calls(
            String what, java.util.function.Predicate<JavaCall<?>> test) {
        return DescribedPredicate.describe(what, test);
    }

    private static ArchCondition<JavaClass> condition(
            String what, java.util.function.Predicate<JavaClass> holds, String otherwise) {
        return new ArchCondition<>(what) {
            @Override
            public void check(JavaClass type, ConditionEvents events) {
                if (!holds.test(type)) {
                    events.add(
                            SimpleConditionEvent.violated(type, type.getName() + " " + otherwise));
                }
            }
        };
    }
}
