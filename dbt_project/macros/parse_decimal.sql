{#-
    The number that a text means, given the mark before its decimals; null where it is none.
    The whole form is checked first: without that, '12.50' read with a decimal comma would pass
    as 1250 and nobody would ever see it.
-#}
{% macro parse_decimal(text, decimal_mark) -%}
    {{ return(adapter.dispatch('parse_decimal')(text, decimal_mark)) }}
{%- endmacro %}

{% macro default__parse_decimal(text, decimal_mark) -%}
    {%- set bare = "translate(" ~ text ~ ", " ~ grouping_characters() ~ ", '')" -%}
    {%- set whole = '([0-9]{1,3}([X][0-9]{3})+|[0-9]*)' -%}
    {%- set with_comma = '^[+-]?' ~ whole.replace('X', '.') ~ '(,[0-9]+)?-?$' -%}
    {%- set with_point = '^[+-]?' ~ whole.replace('X', ',') ~ '([.][0-9]+)?-?$' -%}
    {%- set absolute -%}
        case
            when
                {{ decimal_mark }} = ','
                and regexp_extract({{ bare }}, '{{ with_comma }}', 0) <> ''
                then translate({{ bare }}, ',.+-', '.')
            when
                {{ decimal_mark }} = '.'
                and regexp_extract({{ bare }}, '{{ with_point }}', 0) <> ''
                then translate({{ bare }}, ',+-', '')
        end
    {%- endset -%}
    case
        when {{ text }} like '%-%' then -{{ decimal_of_digits(absolute) }}
        else {{ decimal_of_digits(absolute) }}
    end
{%- endmacro %}

{#- The narrow type first: for 540,000 prices the wide one takes 0.4 s, this 0.02 s. -#}
{% macro decimal_of_digits(digits) -%}
    coalesce(
        cast(try_cast({{ digits }} as decimal(18, 6)) as decimal(28, 6)),
        try_cast({{ digits }} as decimal(28, 6))
    )
{%- endmacro %}
