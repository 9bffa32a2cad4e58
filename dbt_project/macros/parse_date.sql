{#-
    The day that a text means: ISO, German, or with slashes in the order given; null where it is
    none. A time or an offset behind the day is left out: the day on the paper is the day that
    counts. Two digits of a year are 20yy.
-#}
{% macro parse_date(text, date_order) -%}
    {{ return(adapter.dispatch('parse_date')(text, date_order)) }}
{%- endmacro %}

{% macro default__parse_date(text, date_order) -%}
    {%- set german = '^ *([0-9]{1,2})[.]([0-9]{1,2})[.]([0-9]{4}|[0-9]{2})($|[^0-9])' -%}
    {%- set slashes = '^ *([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2})($|[^0-9])' -%}
    try_cast(
        case
            when trim({{ text }}) like '____-__-__%' then left(trim({{ text }}), 10)
            when {{ text }} like '%.%.%' then {{ iso_day(text, german, 3, 2, 1) }}
            when {{ date_order }} = 'dmy' then {{ iso_day(text, slashes, 3, 2, 1) }}
            when {{ date_order }} = 'mdy' then {{ iso_day(text, slashes, 3, 1, 2) }}
        end as date
    )
{%- endmacro %}

{% macro iso_day(text, pattern, year, month, day) -%}
    right('20' || regexp_extract({{ text }}, '{{ pattern }}', {{ year }}), 4)
    || '-' || right('0' || regexp_extract({{ text }}, '{{ pattern }}', {{ month }}), 2)
    || '-' || right('0' || regexp_extract({{ text }}, '{{ pattern }}', {{ day }}), 2)
{%- endmacro %}
