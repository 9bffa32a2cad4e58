with

ratings as (
    select * from {{ ref('stg_credit_ratings__ratings') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

-- Where a report names both, the number of accounting says whom it is about.
ranked as (
    select
        ratings.*,
        row_number() over (
            partition by coalesce('number:' || ratings.customer_number, 'vat:' || ratings.vat_id)
            order by ratings.rated_on desc, ratings.bureau asc, ratings.rating_id asc
        ) as place
    from ratings
    cross join settings
    where ratings.rated_on < settings.as_of
),

final as (
    select
        'credit_ratings' as source,
        rating_id,
        customer_number,
        vat_id,
        bureau,
        credit_index,
        rated_on,
        place = 1 as is_current
    from ranked
)

select * from final
