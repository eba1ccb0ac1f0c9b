"""The environment variables that Budget knows, and whether each is honoured, warned of or ignored (rule 12.2)."""

from enum import StrEnum
from typing import NamedTuple


class Treatment(StrEnum):
    """What Budget does with a variable (rules.md 12.2)."""

    HONOURED = "honoured"
    WARNED = "read with a warning"
    IGNORED = "ignored"


class Variable(NamedTuple):
    """A variable that Budget knows, and what becomes of it; the table of settings in the docs is made from these."""

    name: str
    default: str
    meaning: str
    treatment: Treatment = Treatment.HONOURED


_NO_EFFECT = Treatment.WARNED
_NOT_OURS = Treatment.IGNORED

KNOWN: tuple[Variable, ...] = (
    Variable("BUDGET_PORT", "8013", "the port of the API, WebSocket, MCP and dashboard, 1 to 65535"),
    Variable("PENIA_PORT", "8013", "the same port under Budget's Greek name; BUDGET_PORT comes first"),
    Variable("BUDGET_BIND", "127.0.0.1", "the address to listen on; anything but loopback needs API keys"),
    Variable("BUDGET_HOST", "localhost", "the host in the address that Budget advertises"),
    Variable("TEKTON_HOST", "localhost", "the host of every component that has none of its own"),
    Variable("BUDGET_VERSION", "0.1.0", "the version that Budget reports"),
    Variable("TEKTON_ROOT", "none", "Tekton's folder; data and logs go into its .tekton"),
    Variable("HOME", "none", "where .tekton/data/budget is without TEKTON_ROOT, and what ~ means in a path"),
    Variable(
        "BUDGET_DATABASE_URL",
        "the file of BUDGET_DB_PATH",
        "sqlite:///PATH, or postgresql+asyncpg://USER:PASSWORD@HOST/NAME",
    ),
    Variable("BUDGET_DB_PATH", "<TEKTON_ROOT or ~>/.tekton/data/budget/budget.db", "the SQLite file"),
    Variable(
        "BUDGET_SQLITE_SYNCHRONOUS", "FULL", "FULL keeps every answer through a power cut; NORMAL may lose the last"
    ),
    Variable("BUDGET_TIME_ZONE", "UTC", "the time zone of new budgets and global policies, an IANA name"),
    Variable("BUDGET_AUTH", "auto", "API keys: on, off, or auto (needed unless Budget listens on loopback)"),
    Variable("BUDGET_API_REQUIRE_AUTH", "false", "true is BUDGET_AUTH=on, false is auto; BUDGET_AUTH comes first"),
    Variable(
        "BUDGET_CORS_ORIGINS",
        "Tekton's ports on loopback",
        "browser origins, comma-separated; * for all, without credentials",
    ),
    Variable(
        "BUDGET_ALLOWED_HOSTS",
        "none",
        "other names with a dot by which Budget is called where no keys are needed, comma-separated; * for any",
    ),
    Variable("BUDGET_RATE_PER_KEY", "none", "requests a minute that one API key may send to this process"),
    Variable("BUDGET_RATE_PER_ADDRESS", "none", "requests a minute that one address may send to this process"),
    Variable(
        "BUDGET_UNPRICED",
        "refuse",
        "under a hard cost limit, a model without a price: refuse, or hold at the two costs below",
    ),
    Variable("BUDGET_UNPRICED_INPUT_COST_PER_TOKEN", "none", "USD per input token of a model without a price"),
    Variable("BUDGET_UNPRICED_OUTPUT_COST_PER_TOKEN", "none", "USD per output token of a model without a price"),
    Variable("BUDGET_LIMIT", "500", "USD that a summary shows as the limit where no cost policy sets one"),
    Variable("BUDGET_WARNING_THRESHOLD", "100.0", "USD from which a summary without a cost policy shows a warning"),
    Variable("BUDGET_REPORT_TAGS", "none", "up to 3 tags, comma-separated, by which reports are kept ready"),
    Variable("BUDGET_QUEUE_LIMIT", "20000", "commands that may wait for the writer; more are told to come back"),
    Variable("BUDGET_BATCH_LIMIT", "2000", "commands in one commit at most"),
    Variable("BUDGET_EVENT_RETENTION_DAYS", "30", "days for which events can be asked for; the journal keeps all"),
    Variable("BUDGET_LOG_LEVEL", "INFO", "TRACE, DEBUG, INFO, WARN, ERROR, FATAL or OFF"),
    Variable("TEKTON_LOG_LEVEL", "INFO", "the same for all of Tekton; BUDGET_LOG_LEVEL comes first"),
    Variable("TEKTON_DEBUG", "false", "true: tell of every call; level DEBUG where no level is set"),
    Variable(
        "BUDGET_LOG_FORMAT",
        "text",
        "text or json; Tekton's other formats (compact, standard, detailed, debug, minimal) are text",
    ),
    Variable("TEKTON_LOG_FORMAT", "text", "the same for all of Tekton; BUDGET_LOG_FORMAT comes first"),
    Variable(
        "TEKTON_LOG_FILE",
        "$TEKTON_ROOT/.tekton/logs/budget.log",
        "the log file; without TEKTON_ROOT there is none unless set",
    ),
    Variable("BUDGET_HERMES", "on", "off: do not look for Hermes, Tekton's registry; Budget needs it for nothing"),
    Variable("BUDGET_HERMES_ALIASES", "none", "other names to register under, comma-separated, such as penia"),
    Variable("HERMES_URL", "http://localhost:8001", "Hermes; an /api at the end is cut off"),
    Variable("HERMES_HOST", "TEKTON_HOST", "Hermes' host where HERMES_URL is not set"),
    Variable("HERMES_PORT", "8001", "Hermes' port where HERMES_URL is not set"),
    Variable("BUDGET_SMTP_URL", "none", "the mail server for alerts: smtp://USER:PASSWORD@HOST:587, or smtps://…:465"),
    Variable("BUDGET_SMTP_FROM", "budget@localhost", "whom those mails come from"),
    Variable("RHETOR_API_URL", "http://localhost:8003", "Rhetor, for the assistant; an /api at the end is cut off"),
    Variable("RHETOR_URL", "http://localhost:8003", "the same; RHETOR_API_URL comes first"),
    Variable("RHETOR_HOST", "TEKTON_HOST", "Rhetor's host where no URL is set"),
    Variable("RHETOR_PORT", "8003", "Rhetor's port where no URL is set"),
    Variable(
        "BUDGET_LLM_PROVIDER", "rhetor", "who writes for the assistant: none, rhetor, openai (or compatible), anthropic"
    ),
    Variable("BUDGET_LLM_URL", "the provider's", "the address of an OpenAI-compatible endpoint"),
    Variable("BUDGET_LLM_MODEL", "the provider's", "the assistant's model"),
    Variable("BUDGET_LLM_API_KEY", "none", "the key for that endpoint; never logged"),
    Variable("BUDGET_LLM_TIMEOUT_SECONDS", "120", "seconds after which the assistant answers without a language model"),
    Variable("BUDGET_API_URL", "where BUDGET_HOST and BUDGET_PORT say", "the service that the command line asks"),
    Variable("BUDGET_API_KEY", "none", "the API key that the command line sends; never printed"),
    Variable("BUDGET_PROFILE", "default", "the command line's profile, of those in its file"),
    Variable("BUDGET_CONFIG", "~/.config/budget/config.toml", "the command line's file"),
    Variable("BUDGET_FORMAT", "table", "how the command line prints: table, json, csv, tsv or markdown"),
    Variable("BUDGET_UTC", "false", "true: the command line shows times in UTC, not in the budget's zone"),
    Variable("BUDGET_TIMEOUT", "10", "seconds for which the command line waits for one answer"),
    Variable("BUDGET_VENV", ".venv in the checkout", "where the scripts keep Budget's Python environment"),
    Variable("BUDGET_TEST_FULL", "0", "1: tests run at full size; scripts/test.sh --full sets it"),
    Variable("BUDGET_DEFAULT_CURRENCY", "USD", "amounts are in USD only", _NO_EFFECT),
    Variable("BUDGET_ENFORCEMENT_LEVEL", "WARN", "each policy has its own type; set policies instead", _NO_EFFECT),
    Variable("DAILY_BUDGET_LIMIT", "none", "make a daily cost policy instead (budget set-limit daily …)", _NO_EFFECT),
    Variable(
        "WEEKLY_BUDGET_LIMIT", "none", "make a weekly cost policy instead (budget set-limit weekly …)", _NO_EFFECT
    ),
    Variable(
        "MONTHLY_BUDGET_LIMIT", "none", "make a monthly cost policy instead (budget set-limit monthly …)", _NO_EFFECT
    ),
    Variable("BUDGET_UPDATE_PRICES_ON_START", "true", "prices are bundled; they are updated on request", _NO_EFFECT),
    Variable("BUDGET_PRICE_UPDATE_INTERVAL", "3600", "prices are bundled; they are updated on request", _NO_EFFECT),
    Variable("PRICE_UPDATE_INTERVAL", "1440", "prices are bundled; they are updated on request", _NO_EFFECT),
    Variable("TEKTON_BUDGET_TRACKING", "true", "Budget always tracks", _NO_EFFECT),
    Variable("MCP_REQUIRE_AUTH", "false", "MCP obeys the same API keys as REST; set BUDGET_AUTH instead", _NO_EFFECT),
    Variable("BUDGET_ENV", "none", "Budget behaves alike in every environment", _NOT_OURS),
    Variable("APOLLO_API_URL", "none", "Budget answers in Apollo's place and does not call it", _NOT_OURS),
    Variable("APOLLO_HOST", "TEKTON_HOST", "as APOLLO_API_URL", _NOT_OURS),
    Variable("APOLLO_PORT", "8012", "as APOLLO_API_URL", _NOT_OURS),
    Variable("RHETOR_DEFAULT_PROVIDER", "anthropic", "read by tekton-llm-client", _NOT_OURS),
    Variable(
        "RHETOR_DEFAULT_MODEL", "none", "read by tekton-llm-client; the assistant's is BUDGET_LLM_MODEL", _NOT_OURS
    ),
    Variable("RHETOR_AUTH_TOKEN", "none", "read by tekton-llm-client", _NOT_OURS),
    Variable("RHETOR_WS_URL", "none", "read by tekton-llm-client", _NOT_OURS),
    Variable("RHETOR_BUDGET_POLICY", "warn", "read by budget.adapters.rhetor, not by the service", _NOT_OURS),
    Variable("RHETOR_BUDGET_DAILY_LIMIT", "0", "as RHETOR_BUDGET_POLICY", _NOT_OURS),
    Variable("RHETOR_BUDGET_WEEKLY_LIMIT", "0", "as RHETOR_BUDGET_POLICY", _NOT_OURS),
    Variable("RHETOR_BUDGET_MONTHLY_LIMIT", "0", "as RHETOR_BUDGET_POLICY", _NOT_OURS),
    Variable("TEKTON_MCP_ENABLED", "true", "MCP is part of the one port", _NOT_OURS),
    Variable("MCP_HERMES_TIMEOUT", "30", "Budget's own time limits apply", _NOT_OURS),
    Variable("MCP_AUTO_REGISTER", "true", "Budget registers whenever Hermes is there", _NOT_OURS),
    Variable("MCP_TOOL_TIMEOUT", "60", "Budget's own time limits apply", _NOT_OURS),
    Variable("MCP_MAX_CONCURRENT_TOOLS", "10", "BUDGET_QUEUE_LIMIT bounds what waits", _NOT_OURS),
    Variable("HERMES_REGISTRATION_TIMEOUT", "30", "Budget's own time limits apply", _NOT_OURS),
    Variable("HERMES_HEALTH_CHECK_INTERVAL", "60", "Hermes' own", _NOT_OURS),
    Variable("TEKTON_HERMES_DISCOVERY", "true", "Budget does not look for other components", _NOT_OURS),
)
"""`<X>_ALLOCATION`, a pattern of Tekton's README rather than a name, is ignored as well."""

BY_NAME = {variable.name: variable for variable in KNOWN}
