{#-
    The moment that a text means, with time zone; null where it is none. What names no offset was
    written in the company's own time zone, which is the one of this session.
-#}
{% macro parse_timestamp(text) -%}
    {{ return(adapter.dispatch('parse_timestamp')(text)) }}
{%- endmacro %}

{#- The forms the gate lets in (read_moment in quality/gate.py). -#}
{% macro duckdb__parse_timestamp(text) -%}
    coalesce(
        try_cast(regexp_replace(
            trim({{ text }}),
            '^(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2})(Z|[+-]\d{2}:?\d{2})$', '\1:00\2'
        ) as timestamptz),
        cast(
            try_strptime(
                trim({{ text }}),
                ['%d.%m.%Y %H:%M:%S', '%d.%m.%Y %H:%M', '%d.%m.%Y, %H:%M', '%d.%m.%Y']
            ) as timestamptz
        )
    )
{%- endmacro %}

{% macro spark__parse_timestamp(text) -%}
    coalesce(
        try_cast(trim({{ text }}) as timestamp),
        try_to_timestamp(trim({{ text }}), 'dd.MM.yyyy HH:mm:ss'),
        try_to_timestamp(trim({{ text }}), 'dd.MM.yyyy HH:mm'),
        try_to_timestamp(trim({{ text }}), 'dd.MM.yyyy, HH:mm'),
        try_to_timestamp(trim({{ text }}), 'dd.MM.yyyy')
    )
{%- endmacro %}
