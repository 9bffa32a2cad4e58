{#- The larger the rank, the larger the value; ranks without a value are left out. -#}
{% test ascends_with(model, column_name, rank) %}

with

ordered as (
    select
        {{ rank }} as rank_of_value,
        {{ column_name }} as value,
        lag({{ column_name }}) over (order by {{ rank }}) as value_before
    from {{ model }}
    where {{ column_name }} is not null
),

final as (
    select * from ordered
    where value <= value_before
)

select * from final

{% endtest %}
