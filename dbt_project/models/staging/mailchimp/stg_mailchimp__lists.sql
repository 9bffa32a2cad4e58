with

list_versions as (
    select * from {{ ref('stg_mailchimp__list_versions') }}
),

final as (
    select * from list_versions
    where is_current
)

select * from final
