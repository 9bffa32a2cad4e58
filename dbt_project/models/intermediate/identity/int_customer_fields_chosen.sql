with

fields as (
    select * from {{ ref('int_customer_fields_stacked') }}
),

priorities as (
    select
        source,
        max(priority) as priority
    from {{ ref('stg_quality__source_answers') }}
    where priority is not null
    group by source
),

-- The most complete wins, then the source with the better scorecard, then the newest.
ranked as (
    select
        fields.*,
        row_number() over (
            partition by fields.customer_id, fields.field_group
            order by
                fields.known_parts desc,
                priorities.priority asc nulls last,
                fields.updated_at desc nulls last,
                fields.source asc,
                fields.record_id asc
        ) as place
    from fields
    left join priorities on fields.source = priorities.source
),

final as (
    select
        customer_id,
        field_group,
        value,
        postcode,
        city,
        country,
        source,
        record_id,
        cast(updated_at as date) as updated_on
    from ranked
    where place = 1
)

select * from final
