{#- Every value occurs, once, and no other does: a parameter that is missing would read as null. -#}
{% test has_exactly(model, column_name, values) %}

with

expected as (
    {% for value in values -%}
        select '{{ value }}' as value {{ 'union all' if not loop.last }}
    {% endfor %}
),

found as (
    select
        {{ column_name }} as value,
        count(*) as occurrences
    from {{ model }}
    group by {{ column_name }}
),

final as (
    select
        expected.value as expected_value,
        found.value as found_value,
        found.occurrences
    from expected
    full outer join found on expected.value = found.value
    where
        expected.value is null
        or found.value is null
        or found.occurrences > 1
)

select * from final

{% endtest %}
